"""When may a stage be skipped?"""

from pathlib import Path

from orchestrator.model.runs import RunStatus
from tests.services.stage_app import CHANGED, FAILED, Small, small

PLAY = "ansible: { playbook: play.yml, skip: when_unchanged }"
CHAIN = (
    f"hosts: {{ {PLAY} }}",
    f"base: {{ {PLAY}, needs: [hosts] }}",
    f"app: {{ {PLAY}, needs: [base] }}",
)


def _skippable_again(project: Small) -> list[str]:
    project.attempts.answers.clear()
    project.attempts.orders.clear()
    assert project.up().status is RunStatus.SUCCEEDED
    return project.attempts.skippable()


def test_equal_inputs_may_be_skipped(tmp_path: Path) -> None:
    """Nothing may be skipped in a first run, everything in a second one."""
    with small(tmp_path, *CHAIN) as project:
        assert _skippable_again(project) == []
        assert _skippable_again(project) == ["hosts", "base", "app"]


def test_what_stands_on_a_change_is_not_skipped(tmp_path: Path) -> None:
    """In the run of the change nothing below it may be skipped; in the next one it may."""
    with small(tmp_path, *CHAIN) as project:
        project.up()
        project.attempts.answers["hosts"] = CHANGED
        project.up()
        assert project.attempts.skippable() == ["hosts"]
        assert _skippable_again(project) == ["hosts", "base", "app"]


def test_a_change_is_remembered_over_a_failure(tmp_path: Path) -> None:
    """What a failure kept from running after a change is not skipped by the next run."""
    with small(tmp_path, *CHAIN) as project:
        project.up()
        project.attempts.answers |= {"hosts": CHANGED, "base": FAILED}
        assert project.up().status is RunStatus.FAILED
        assert _skippable_again(project) == ["hosts"]
        assert _skippable_again(project) == ["hosts", "base", "app"]


def test_a_change_is_remembered_over_a_selection(tmp_path: Path) -> None:
    """What --select left out after a change is not skipped by the next run."""
    with small(tmp_path, *CHAIN) as project:
        project.up()
        project.attempts.answers["hosts"] = CHANGED
        project.up("hosts")
        assert _skippable_again(project) == ["hosts"]


def test_another_version_in_a_virtualenv_is_another_input(tmp_path: Path) -> None:
    """A stage's own virtualenv is in no release, and yet what is installed there counts."""
    play = "a: { ansible: { playbook: play.yml, skip: when_unchanged, venv: tools } }"
    with small(tmp_path, play) as project:
        packages = project.app.root / "tools/lib/python3.11/site-packages"
        old = packages / "ansible_core-2.18.1.dist-info"
        old.mkdir(parents=True)
        assert _skippable_again(project) == []
        assert _skippable_again(project) == ["a"]
        old.rename(packages / "ansible_core-2.19.dist-info")
        assert _skippable_again(project) == []
