"""What is refused, with which words, and is nothing made by a refusal?"""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import PROJECT, Tiny, command, git
from tests.needs import needs_git

pytestmark = pytest.mark.slow

HEAD = PROJECT.format(id="tiny-1", store="local")  # eight lines: `stages:` is the ninth

BROKEN = {
    "broken YAML": ("stages: [one\n", "orchestrator.yaml:1"),
    "a key twice": (
        "stages:\n  one: { command: [echo] }\n  one: { command: [echo] }\n",
        "orchestrator.yaml:11",
    ),
    "an unknown key": (
        "stages:\n  one: { comand: [echo] }\n",
        "orchestrator.yaml:10",
        "comand",
        "command",
    ),
    "a wrong type": ("stages:\n  one: { command: [echo], timeout: [] }\n", "orchestrator.yaml:10"),
    "a shell": ("stages:\n  one: { command: echo hello }\n", "there is no shell"),
    "a stage nobody knows": (
        "stages:\n  one: { command: [echo], needs: [tow] }\n  two: { command: [echo] }\n",
        "orchestrator.yaml:10",
        "'tow'",
        "two",
    ),
    "an output nobody declares": (
        "stages:\n  one: { command: [echo] }\n"
        '  two: { command: [echo, "${{ stages.one.outputs.a }}"] }\n',
        "orchestrator.yaml:11",
    ),
    "a circle": (
        "stages:\n  one: { command: [echo], needs: [three] }\n"
        "  two: { command: [echo], needs: [one] }\n"
        "  three: { command: [echo], needs: [two] }\n",
        "orchestrator.yaml:10",
        "orchestrator.yaml:11",
        "orchestrator.yaml:12",
    ),
    "a playbook that is missing": (
        "stages:\n  one: { ansible: { playbook: playbooks/none.yml } }\n",
        "orchestrator.yaml:10",
        "playbooks/none.yml",
    ),
    "a stack that is missing": (
        "stages:\n  one: { pulumi: { project: stacks/none } }\n",
        "orchestrator.yaml:10",
        "stacks/none",
    ),
}


def nothing_was_made(tiny: Tiny) -> None:
    assert tiny.rows("select count(*) from runs") == [(0,)]
    assert tiny.rows("select count(*) from releases") == [(0,)]
    assert tiny.rows("select count(*) from leases") == [(0,)]
    assert list((tiny.store / "attempts").iterdir()) == []


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_definition(make: Make, what: str) -> None:
    """Exit 2, file and line, what would be right; nothing was started or stored."""
    tiny = make()
    text, *said = BROKEN[what]
    tiny.write("orchestrator.yaml", HEAD + text)
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 2, answer.err
    assert "Traceback" not in answer.err
    for words in said:
        assert words in answer.err, answer.err
    nothing_was_made(tiny)


def test_all_mistakes_at_once(make: Make) -> None:
    """Every mistake of every file is told in one go, and counted."""
    tiny = make()
    tiny.write("orchestrator.yaml", HEAD + "stages:\n  one: { comand: [echo] }\n  two: 3\n")
    tiny.environment("dev", "secret: {}\n")
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 2
    for place in ("orchestrator.yaml:10", "orchestrator.yaml:11", "dev/environment.yaml:4"):
        assert place in answer.err, answer.err


def test_no_project(make: Make, tmp_path: Path) -> None:
    """Outside of a project the answer is how one is named or made."""
    tiny = make(init=False)
    answer = tiny.ask("up", "dev", "--yes", root=tmp_path)
    assert answer.code == 2
    assert "orchestrator init" in answer.err
    assert list(tiny.home.iterdir()) == []


def test_no_store(make: Make, world: Path) -> None:
    """Without a store every act is refused, and none is made."""
    tiny = make(command(world, "one"), init=False)
    for words in (("up", "dev", "--yes"), ("destroy", "dev", "--yes"), ("status",), ("runs",)):
        answer = tiny.ask(*words)
        assert answer.code == 1
        assert "orchestrator store init" in answer.err
        assert "Nothing was created." in answer.err
    assert list(tiny.home.iterdir()) == []
    assert tiny.count("one") == 0


def test_a_store_of_another_id(make: Make, world: Path) -> None:
    """A database that is not the one the folder was made with is refused; nothing is touched."""
    tiny = make(command(world, "one"))
    about = tiny.store / "store.json"
    told = json.loads(about.read_text())
    about.write_text(json.dumps(told | {"store": "f" * 32}))
    before = tiny.database.read_bytes()
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 1
    assert "belongs to store ffffffff" in answer.err
    assert "Nothing was changed." in answer.err
    assert tiny.database.read_bytes() == before
    assert tiny.count("one") == 0


def test_a_project_of_another_id(make: Make, world: Path) -> None:
    """A changed id is another project: its store is missing, and none is made for it."""
    tiny = make(command(world, "one"))
    text = (tiny.root / "orchestrator.yaml").read_text()
    tiny.write("orchestrator.yaml", text.replace("id: tiny-1", "id: tiny-2"))
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 1
    assert "project tiny-2 has no store on this machine" in answer.err
    assert [path.name for path in (tiny.home / "orchestrator").iterdir()] == ["tiny-1"]


def test_a_second_clone_meets_the_same_store(make: Make, world: Path) -> None:
    """A copy of the folder numbers its runs on, and cannot change what is being changed."""
    tiny = make(command(world, "one"))
    assert tiny.ask("up", "dev", "--yes").code == 0
    clone = tiny.root.with_name("clone")
    shutil.copytree(tiny.root, clone)
    answer = tiny.ask("up", "dev", "--yes", root=clone)
    assert answer.code == 0
    assert "dev#2" in answer.err
    again = tiny.ask("store", "init", root=clone)
    assert again.code == 0
    assert "is there already" in again.out


@needs_git
def test_git_clean_loses_nothing(make: Make, world: Path) -> None:
    """Nothing of value lies in the checkout: `git clean -fdx` changes no answer."""
    tiny = make(command(world, "one"))
    git(tiny.root, "init", "-q")
    git(tiny.root, "add", "-A")
    git(tiny.root, "commit", "-q", "-m", "all")
    assert tiny.ask("up", "dev", "--yes").code == 0
    before = tiny.ask("--json", "status", "dev#1")
    assert git(tiny.root, "status", "--porcelain", "--ignored") == ""
    git(tiny.root, "clean", "-fdx")
    assert tiny.ask("--json", "status", "dev#1") == before
    releases = tiny.ask("release", "list")
    assert "clean" in releases.out
    assert git(tiny.root, "rev-parse", "HEAD")[:10] in releases.out


def test_a_changed_state_is_refused(make: Make, world: Path) -> None:
    """Where stacks are kept is recorded; another `state:` would leave the old ones behind."""
    tiny = make(command(world, "one"))
    tiny.environment("dev", "state: file:///srv/old\n")
    assert tiny.ask("up", "dev", "--yes").code == 0
    tiny.environment("dev", "state: file:///srv/new\n")
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 10
    assert "keeps its stacks in 'file:///srv/old'" in answer.err
    assert "inventories/dev/environment.yaml:4" in answer.err
    tiny.environment("dev")
    assert tiny.ask("up", "dev", "--yes").code == 0  # absent: as recorded
    assert tiny.count("one") == 2


def test_a_protected_environment_is_not_destroyed(make: Make, world: Path) -> None:
    """protect.destroy refuses `destroy`, naming the file."""
    tiny = make(command(world, "one", destroy={"command": ["true"]}))
    tiny.environment("dev", "protect: { destroy: true }\n")
    answer = tiny.ask("destroy", "dev", "--yes")
    assert answer.code == 10
    assert "inventories/dev/environment.yaml" in answer.err
    nothing_was_made(tiny)


def test_a_gated_environment_is_not_brought_up(make: Make, world: Path) -> None:
    """An environment that names a gate takes promotions only."""
    tiny = make(command(world, "one"))
    text = (tiny.root / "orchestrator.yaml").read_text()
    tiny.write("orchestrator.yaml", text.replace("id: tiny-1", "id: tiny-1\nprotected: main", 1))
    tiny.write(
        "policies/production.yaml",
        "apiVersion: orchestrator/v1\nkind: Gate\nname: production\n"
        "promote: { require: [{ upstream: { status: succeeded } }] }\n",
    )
    tiny.environment("dev", "")
    tiny.environment("prod", "promote_from: dev\ngate: production\n")
    answer = tiny.ask("up", "prod", "--yes")
    assert answer.code == 10, answer.err
    assert "prod is behind gate 'production'" in answer.err
    assert tiny.count("one") == 0


def test_nobody_is_there_to_ask(make: Make, world: Path) -> None:
    """Without a terminal and --yes nothing is started."""
    tiny = make(command(world, "one"))
    answer = tiny.ask("up", "dev")
    assert answer.code == 2
    assert "say --yes" in answer.err
    nothing_was_made(tiny)


def test_a_damaged_database(make: Make, world: Path) -> None:
    """A database that is none says so and is left as it is; brought back, all goes on."""
    tiny = make(command(world, "one"))
    whole = tiny.database.read_bytes()
    tiny.database.write_bytes(b"not a database at all" * 400)
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 1
    assert "is damaged" in answer.err
    assert "Traceback" not in answer.err
    assert tiny.database.read_bytes() == b"not a database at all" * 400
    tiny.database.write_bytes(whole)
    assert tiny.ask("up", "dev", "--yes").code == 0
    assert tiny.count("one") == 1


def test_a_locked_database(make: Make, world: Path) -> None:
    """Somebody who hangs in a write: looking goes on, an act ends with what to look for."""
    tiny = make(command(world, "one"))
    with closing(sqlite3.connect(tiny.database)) as connection:
        connection.execute("begin immediate")
        assert tiny.ask("status").code == 0
        answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 1
    assert "locked for more than" in answer.err
    assert "Traceback" not in answer.err
    assert tiny.count("one") == 0
