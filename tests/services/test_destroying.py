"""What must hold where an environment is taken away?"""

from pathlib import Path

import pytest

from orchestrator.model.errors import NotFound
from orchestrator.model.runs import Action, Outcome, RunKey, RunStatus, Status
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.retrying import retry
from orchestrator.services.runs import adopt
from tests.services.stage_app import FAILED, small

GONE = "destroy: { command: { run: [x] } }"
HOSTS = f"hosts: {{ command: {{ run: [x] }}, outputs: {{ inv: inventory }}, {GONE} }}"
APP = (
    'app: { ansible: { playbook: play.yml, inventory: ["${{ stages.hosts.outputs.inv }}"] },'
    ' destroy: { playbook: play.yml, inventory: ["${{ stages.hosts.outputs.inv }}"] } }'
)


def test_what_never_began_does_not_keep_the_rest(tmp_path: Path) -> None:
    """After a first `up` that failed, what was made by then can be destroyed."""
    with small(tmp_path, HOSTS, APP) as project:
        project.attempts.answers["hosts"] = FAILED
        assert project.up().status is RunStatus.FAILED
        project.attempts.answers.clear()
        project.attempts.started.clear()
        assert project.up(action=Action.DESTROY).status is RunStatus.SUCCEEDED
        assert project.attempts.started == ["hosts"]


def test_what_began_is_taken_away_before_what_it_stands_on(tmp_path: Path) -> None:
    """A stage that failed may have left something, and its own `destroy` is asked."""
    with small(tmp_path, HOSTS, APP) as project:
        inventory = Outcome(status=Status.SUCCEEDED, outputs={"inv": {"hosts": {}}})
        project.attempts.answers |= {"hosts": inventory, "app": FAILED}
        assert project.up().status is RunStatus.FAILED
        project.attempts.answers.clear()
        project.attempts.started.clear()
        assert project.up(action=Action.DESTROY).status is RunStatus.SUCCEEDED
        assert project.attempts.started == ["app", "hosts"]


def test_a_destroy_that_is_tried_again_repeats_nothing(tmp_path: Path) -> None:
    """Also a stage that `up` runs always, or only after failures, is taken away once."""
    stages = (
        f"a: {{ command: {{ run: [x] }}, {GONE} }}",
        f"b: {{ when: failure, command: {{ run: [x] }}, {GONE} }}",
        f"c: {{ when: always, needs: [a], command: {{ run: [x] }}, {GONE} }}",
    )
    with small(tmp_path, *stages) as project:
        project.attempts.answers["a"] = FAILED
        key = project.up(action=Action.DESTROY).key
        assert project.attempts.started == ["b", "c", "a"]
        project.attempts.answers.clear()
        again = retry(project.app, key, listener=print, interrupts=Interrupts())
        assert again.status is RunStatus.SUCCEEDED
        assert project.attempts.started == ["b", "c", "a", "a"]


@pytest.mark.parametrize("text", ["../x#1", "a/../../x/dev#1", "dev#99999999999999999999", "#1"])
def test_no_run_is_named_like_that(tmp_path: Path, text: str) -> None:
    """What a person types leads to no folder outside of the store, and to no crash."""
    with small(tmp_path, HOSTS) as project, pytest.raises(NotFound, match="no run id"):
        project.app.key(text)


def test_a_run_that_is_not_there_gets_no_lock(tmp_path: Path) -> None:
    """A slip of the fingers makes nothing."""
    with small(tmp_path, HOSTS) as project:
        with pytest.raises(NotFound):
            adopt(project.app, RunKey("tiny", "dev", 7), listener=print, interrupts=Interrupts())
        assert list(project.app.store.folder.rglob("*.lock")) == []
