"""Is it seen whether a project uses the light hosts, and what of them this machine has?"""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.setup import light_hosts
from orchestrator.setup.doctor import examine, fix
from orchestrator.setup.light_hosts import IMAGE, PLUGIN, light_host_rows, uses_light_hosts
from orchestrator.setup.rows import Options, State
from tests.needs import needs_git
from tests.setup.machine import Machine

# Stands in for the light hosts' own program: what it was asked is kept, and is there from then on.
PROGRAM = """
import pathlib, sys
kept = pathlib.Path(__file__).with_name("kept." + sys.argv[1])
if "--check" in sys.argv:
    print("at " + str(kept))
    sys.exit(not kept.exists())
kept.touch()
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The light hosts' program, on a machine that has neither image nor plugin."""
    script = tmp_path / "lighthosts.py"
    script.write_text(PROGRAM)
    monkeypatch.setattr(light_hosts, "_command", lambda *words: [sys.executable, script, *words])


@needs_git
@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("from orchestrator.lighthosts import resources\n", True),
        ("from orchestrator import lighthosts\n", True),
        ("import pulumi_aws as aws\n", False),
    ],
)
def test_a_project_uses_light_hosts_where_a_stack_names_them(
    tmp_path: Path, text: str, used: bool
) -> None:
    """What git tracks decides, so a user's cloud project is not told of light hosts."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "__main__.py").write_text(text)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    assert uses_light_hosts(tmp_path) is used


def test_a_folder_without_git_uses_none(tmp_path: Path) -> None:
    """No repository, no claim."""
    assert not uses_light_hosts(tmp_path)


@pytest.mark.usefixtures("program")
def test_image_and_plugin_are_brought(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is shown with its command, and --fix brings both."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    options = Options(env=machine.env, light_hosts=True)
    rows = {row.name: row for row in light_host_rows(options)}
    assert rows[IMAGE.name].state is State.MISSING
    assert rows[PLUGIN.name].fix.endswith("-m orchestrator.lighthosts install")
    wanted = [row for row in examine(options) if row.name in (IMAGE.name, PLUGIN.name)]
    after = {row.name: row for row in fix(wanted, lambda _: None, options)}
    assert after[IMAGE.name].state is State.OK
    assert after[IMAGE.name].found.startswith("at ")
    assert after[PLUGIN.name].state is State.OK


@pytest.mark.usefixtures("program")
def test_a_plain_user_is_told_that_root_is_needed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without root nothing is tried, and the row says what to do."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    rows = light_host_rows(Options(env=machine.env, light_hosts=True))
    assert rows[0].state is State.MISSING
    assert {row.fix for row in rows} == {
        f"sudo {sys.executable} -m orchestrator.setup --fix --light-hosts"
    }
    assert not any(row.can_fix for row in rows)
