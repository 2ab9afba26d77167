"""What can people see of a stack's versions, and do they come back?"""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import Tiny, command
from tests.e2e.test_builtin_state import a_site
from tests.needs import needs_pulumi

pytestmark = [pytest.mark.slow, needs_pulumi]


def _twice_up(make: Make) -> Tiny:
    """Version 1 has the word one, version 2 the word two."""
    tiny = make()
    a_site(tiny)
    for word in ("sesame-one", "sesame-two"):
        up = tiny.ask("up", "dev", "--yes", variables={"WORD": word})
        assert up.code == 0, up.all
    return tiny


def _outputs(text: str) -> object:
    (stack,) = (
        resource
        for resource in json.loads(text)["deployment"]["resources"]
        if resource["type"] == "pulumi:pulumi:Stack"
    )
    return stack["outputs"]


def test_every_version_is_there_and_comes_back(make: Make, tmp_path: Path) -> None:
    """list, history, export, restore: and the next `up` starts from what was restored."""
    tiny = _twice_up(make)
    listed = tiny.ask("--json", "stack", "list").last
    assert (listed["stages"], listed["project"], listed["version"]) == (["site"], "site", 2)
    history = tiny.ask("stack", "history", "dev", "site")
    assert history.code == 0
    assert "dev#2" in history.out
    first, second = (tiny.ask("stack", "export", "dev", "site", n).out for n in ("1", "2"))
    assert _outputs(first) != _outputs(second)
    assert "sesame" not in first + second
    restore = tiny.ask("stack", "restore", "dev", "site", "1", "--yes")
    assert restore.code == 0, restore.all
    assert "version 3" in restore.out
    file = tmp_path / "state.json"
    assert tiny.ask("stack", "export", "dev", "site", "--file", str(file)).code == 0
    assert _outputs(file.read_text()) == _outputs(first)
    assert "by hand" in tiny.ask("stack", "history", "dev", "site").out
    assert tiny.rows("select verb from audit where verb like 'stack%'") == [("stack.restored",)]
    again = tiny.ask("up", "dev", "--yes", variables={"WORD": "sesame-two"})
    assert again.code == 0, again.all
    assert tiny.rows("select version from stacks") == [(4,)]


def test_what_cannot_be_is_told(make: Make) -> None:
    """No such stage, version, environment; nobody to ask; somebody else holds it."""
    tiny = _twice_up(make)
    for words, code, says in (
        (("stack", "export", "dev", "sites"), 1, "stages with one: site"),
        (("stack", "export", "dev", "site", "9"), 1, "is not kept; kept: 2, 1"),
        (("stack", "history", "prod", "site"), 1, "no environment 'prod'"),
        (("stack", "restore", "dev", "site", "1"), 2, "say --yes"),
        (("stack", "restore", "dev", "site", "0", "--yes"), 2, "VERSION"),
        (("stack", "restore", "dev", "site", "7", "--yes"), 1, "is not kept"),
    ):
        said = tiny.ask(*words)
        assert (said.code, says in said.err) == (code, True), (words, said.all)
        assert "Traceback" not in said.err
    assert tiny.ask("hold", "dev", "--why", "busy").code == 0
    held = tiny.ask("stack", "restore", "dev", "site", "1", "--yes")
    assert held.code == 12
    assert "busy" in held.err
    assert tiny.rows("select version from stacks") == [(2,)]


def test_stacks_that_lie_elsewhere_are_said_to(make: Make) -> None:
    """The store has none of them."""
    tiny = make()
    a_site(tiny)
    elsewhere = f"state: file://{tiny.world}\nsecrets: {{ word: 'env://WORD' }}\n"
    tiny.environment("dev", elsewhere)
    assert tiny.ask("up", "dev", "--yes", variables={"WORD": "sesame-one"}).code == 0
    said = tiny.ask("stack", "history", "dev", "site")
    assert said.code == 10
    assert "keeps its stacks in 'file://" in said.err
    assert "No stacks in the store" in tiny.ask("stack", "list").out
    rows = [json.loads(line) for line in tiny.ask("--json", "doctor").out.splitlines()]
    (state,) = [row for row in rows if row["name"] == "state of dev"]
    assert state["state"] == "warn"
    assert "whoever lost the lease" in state["found"]


def test_a_project_without_stacks(make: Make, world: Path) -> None:
    """Says so."""
    tiny = make(command(world, "one"))
    assert "No stacks in the store" in tiny.ask("stack", "list").out
    assert "no stage has one" in tiny.ask("stack", "history", "dev", "one").err
