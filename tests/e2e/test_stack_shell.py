"""Does the ordinary `pulumi` work on a stack of the store, and change it only where it may?"""

import json
import os
import signal

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import Answer, Tiny, children, until
from tests.e2e.test_builtin_state import a_site
from tests.needs import needs_pulumi

pytestmark = [pytest.mark.slow, needs_pulumi]
WORD = {"WORD": "open sesame"}


@pytest.fixture
def tiny(make: Make) -> Tiny:
    """dev is up, with one stack at version 1."""
    tiny = make()
    a_site(tiny)
    up = tiny.ask("up", "dev", "--yes", variables=WORD)
    assert up.code == 0, up.all
    return tiny


def _shell(tiny: Tiny, *words: str) -> Answer:
    return tiny.ask("stack", "shell", "dev", "site", "--", *words, variables=WORD)


def test_what_looks_works_without_a_hold(tiny: Tiny) -> None:
    """preview of a Python program, export, history, ls, output: and nothing is written."""
    preview = _shell(tiny, "pulumi", "preview", "--non-interactive")
    assert preview.code == 0, preview.all
    assert "1 unchanged" in preview.out
    exported = json.loads(_shell(tiny, "pulumi", "stack", "export").out)
    assert exported["deployment"]["resources"]
    history = _shell(tiny, "pulumi", "stack", "history", "--json")
    assert history.code == 0, history.all
    assert [each["version"] for each in json.loads(history.out)] == [1]
    listed = _shell(tiny, "pulumi", "stack", "ls", "--json")
    assert listed.code == 0, listed.all
    assert [each["name"] for each in json.loads(listed.out)] == ["dev"]
    shown = _shell(tiny, "pulumi", "stack", "output", "--show-secrets", "word")
    assert shown.out.strip() == "open sesame"
    assert "This shell only looks" in shown.err
    assert tiny.rows("select version from stacks") == [(1,)]


@pytest.mark.parametrize(
    "words",
    [
        ("up", "--yes", "--non-interactive"),
        ("refresh", "--yes", "--non-interactive"),
        ("destroy", "--yes", "--non-interactive"),
        ("stack", "tag", "set", "a", "b"),
        ("stack", "rm", "--yes", "--force"),
        ("stack", "init", "organization/site/other"),
    ],
)
def test_what_writes_is_refused_without_a_hold(tiny: Tiny, words: tuple[str, ...]) -> None:
    """In our words, which name the way."""
    said = _shell(tiny, "pulumi", *words)
    assert said.code != 0
    assert "orchestrator hold dev" in said.all.replace("\n", " ")
    assert tiny.rows("select program, stack, version from stacks") == [("site", "dev", 1)]


def test_under_a_hold_it_writes_and_the_audit_has_it(tiny: Tiny) -> None:
    """refresh, tags, export edited and imported; the hold is back afterwards, and others wait."""
    assert tiny.ask("hold", "dev", "--why", "by hand").code == 0
    refresh = _shell(tiny, "pulumi", "refresh", "--yes", "--non-interactive")
    assert refresh.code == 0, refresh.all
    assert _shell(tiny, "pulumi", "stack", "tag", "set", "owner", "ana").code == 0
    moved = _shell(tiny, "sh", "-c", "pulumi stack export | pulumi stack import")
    assert moved.code == 0, moved.all
    assert tiny.rows("select version from stacks") == [(3,)]
    assert tiny.ask("--json", "lease", "show", "dev").last["standing"] == "held"
    verbs = [verb for (verb,) in tiny.rows("select verb from audit order by number")]
    assert verbs.count("stack.shell.began") == verbs.count("stack.shell.ended") == 3
    assert tiny.ask("hold", "dev", "--release").code == 0
    assert tiny.ask("up", "dev", "--yes", variables=WORD).code == 0


def test_a_killed_shell_leaves_nothing_in_the_way(tiny: Tiny) -> None:
    """The hold comes back by itself, its folder goes with the next shell."""
    assert tiny.ask("hold", "dev", "--why", "by hand").code == 0
    script = f"touch {tiny.world}/began; exec sleep 600"
    words = ("stack", "shell", "dev", "site", "--", "sh", "-c", script)
    begun = tiny.begin(*words, variables=WORD)
    until(lambda: (tiny.world / "began").exists(), "the shell has begun")
    child = next(iter(children(begun.process.pid)))
    begun.kill()
    os.kill(child, signal.SIGKILL)
    assert list(tiny.store.glob("attempts/tiny/dev-shell-*"))
    assert _shell(tiny, "true").code == 0
    assert not list(tiny.store.glob("attempts/tiny/dev-shell-*"))
    assert tiny.ask("up", "dev", "--yes", "--held", variables=WORD).code == 0


def test_a_shell_that_is_told_to_end_ends_what_it_started(tiny: Tiny) -> None:
    """SIGTERM reaches the command, and the folder is gone."""
    script = f"touch {tiny.world}/began; exec sleep 600"
    words = ("stack", "shell", "dev", "site", "--", "sh", "-c", script)
    begun = tiny.begin(*words, variables=WORD)
    until(lambda: (tiny.world / "began").exists(), "the shell has begun")
    begun.signal(signal.SIGTERM)
    assert begun.answer().code == 143
    assert not list(tiny.store.glob("attempts/tiny/dev-shell-*"))


def test_what_cannot_be_is_told(tiny: Tiny) -> None:
    """No such stage, no such command, nobody to type, another environment."""
    for words, code, says in (
        (("dev", "sites", "--", "true"), 1, "stages: site"),
        (("dev", "site", "--", "no-such-program"), 1, "cannot be started"),
        (("dev", "site"), 2, "nobody is there to type"),
        (("prod", "site", "--", "true"), 1, "no environment 'prod'"),
    ):
        said = tiny.ask("stack", "shell", *words, variables=WORD)
        assert (said.code, says in said.err) == (code, True), (words, said.all)
        assert "Traceback" not in said.err
    assert _shell(tiny, "sh", "-c", "exit 7").code == 7


def test_an_environment_that_was_never_up(make: Make) -> None:
    """There is nothing to look at."""
    tiny = make()
    a_site(tiny)
    said = _shell(tiny, "true")
    assert said.code == 1
    assert "never brought up" in said.err
