"""What holds for a run that goes well?"""

import base64
import json
import os
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import command, files_with, held, outputs, until

pytestmark = pytest.mark.slow

CANARY = "canary-5fK9-of-the-tests"


def test_outputs_are_handed_on_typed(make: Make, world: Path) -> None:
    """A reader gets an output whole where it is the whole word, and as text within others."""
    script = f'printf "%s\\n" "$0" "$1" > {world}/got'
    words = ["n-${{ stages.one.outputs.name }}", "${{ stages.one.outputs.count }}"]
    types = {"name": "string", "count": "int"}
    tiny = make(
        command(world, "one", outputs(name="web", count=3), outputs=types),
        command(world, "two", script, arguments=words),
    )
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 0, answer.err
    assert (world / "got").read_text().splitlines() == ["n-web", "3"]
    assert "dev is up: dev#1" in answer.out


@pytest.mark.parametrize(
    ("script", "said"),
    [("true", "did not export"), ('echo \'{"count": "many"}\' > $ORCHESTRATOR_OUTPUT', "count")],
)
def test_a_declared_output_that_does_not_come(
    make: Make, world: Path, script: str, said: str
) -> None:
    """It fails the stage that declared it, not the one that reads it, and says where it stands."""
    tiny = make(
        command(world, "one", script, outputs={"count": "int"}),
        command(world, "two", arguments=["${{ stages.one.outputs.count }}"]),
    )
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 4, answer.err
    assert tiny.counts("one", "two") == [1, 0]
    assert "orchestrator.yaml:10" in answer.err
    assert said in answer.err


def test_a_second_up_is_a_new_run(make: Make, world: Path) -> None:
    """Commands are opaque: a second `up` runs them again, as run 2, from the same release."""
    tiny = make(command(world, "one"))
    assert tiny.ask("up", "dev", "--yes").code == 0
    assert tiny.ask("up", "dev", "--yes").code == 0
    assert tiny.count("one") == 2
    assert tiny.rows("select number, status from runs order by number") == [
        (1, "succeeded"),
        (2, "succeeded"),
    ]
    assert tiny.rows("select count(*) from releases") == [(1,)]


def test_secrets_are_nowhere_in_clear(make: Make, world: Path) -> None:
    """A secret output and a secret of the environment reach the stage that asks; nothing else."""
    show = 'cat /proc/self/cmdline /proc/$$/cmdline | tr "\\0" " "; echo "$TOKEN $MAIL"; '
    show += f'printf "%s %s" "$TOKEN" "$MAIL" > {world}/got; printf %s "$TOKEN" | base64 >&2'
    own = "mail-secret-of-the-tests-77"
    tiny = make(
        command(
            world,
            "one",
            f"cat {world}/secret.json > $ORCHESTRATOR_OUTPUT",
            outputs={"token": "secret(string)"},
        ),
        command(
            world,
            "two",
            show,
            env={"TOKEN": "${{ stages.one.outputs.token }}", "MAIL": "${{ secrets.mail }}"},
        ),
    )
    # from a file, for the text of a stage is in the release
    (world / "secret.json").write_text(json.dumps({"token": CANARY}))
    tiny.environment("dev", "secrets: { mail: env://MAIL }\n")
    answer = tiny.ask("-v", "--json", "up", "dev", "--yes", variables={"MAIL": own})
    assert answer.code == 0, answer.all
    assert (world / "got").read_text() == f"{CANARY} {own}"
    needles = [
        form
        for secret in (CANARY, own)
        for form in (
            secret.encode(),
            base64.b64encode(secret.encode())[:-4],
            base64.urlsafe_b64encode(secret.encode())[:-4],
            secret.encode().hex().encode(),
        )
    ]
    assert files_with(tiny.home, needles) == []
    for word in ("status", "logs"):
        answer_ = tiny.ask(word, "dev#1")
        assert not any(needle.decode() in answer_.all for needle in needles), answer_.all
    assert not any(needle.decode() in answer.all for needle in needles), answer.all
    assert '"token": "*****"' in answer.out.replace('":"', '": "')


def test_a_secret_on_a_command_line_is_refused(make: Make, world: Path) -> None:
    """An argument that holds a secret is refused before the program starts."""
    tiny = make(
        command(world, "one", outputs(token=CANARY), outputs={"token": "secret(string)"}),
        command(world, "two", arguments=["${{ stages.one.outputs.token }}"]),
    )
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 2
    assert "is a secret, and everybody on a machine can read its command lines" in answer.err
    assert "orchestrator.yaml:11:" in answer.err
    assert tiny.counts("one", "two") == [0, 0]


def test_a_stage_sees_no_variable_it_was_not_given(make: Make, world: Path) -> None:
    """Of our own environment a command sees its basics and its allow-list, nothing else."""
    tiny = make(command(world, "one", f"env > {world}/env"))
    tiny.environment("dev", "credentials: { command: [ALLOWED] }\n")
    given = {"ALLOWED": "yes-this", "FOREIGN": "not-this"}
    assert tiny.ask("up", "dev", "--yes", variables=given).code == 0
    seen = (world / "env").read_text()
    assert "ALLOWED=yes-this" in seen
    assert "FOREIGN" not in seen
    assert "XDG_STATE_HOME" not in seen


def test_nothing_of_a_run_is_left(make: Make, world: Path) -> None:
    """After a run no process of it lives and no attempt's folder is left."""
    tiny = make(command(world, "one", "(sleep 1000 &) ; :"), command(world, "two"))
    assert tiny.ask("up", "dev", "--yes").code == 0
    until(lambda: not tiny.marked(), "no marked process lives")
    left = [p.name for p in (tiny.store / "attempts").rglob("*") if p.is_file()]
    assert left == ["dev-1.lock"]


def test_destroy_goes_the_other_way(make: Make, world: Path) -> None:
    """Stages that say how are taken away in reverse order, with their outputs; others are left."""

    def gone(name: str) -> dict[str, object]:
        script = f'echo "{name} $0" >> {world}/gone'
        return {"command": ["sh", "-c", script, "${{ stages.one.outputs.a }}"]}

    tiny = make(
        command(world, "one", outputs(a="hand-over"), outputs={"a": "string"}),
        command(world, "two", needs=["one"], destroy=gone("two")),
        command(world, "three", needs=["two"]),
        command(world, "four", needs=["three"], destroy=gone("four")),
    )
    assert tiny.ask("up", "dev", "--yes").code == 0
    answer = tiny.ask("destroy", "dev", "--yes")
    assert answer.code == 0, answer.err
    assert "dev is destroyed: dev#2" in answer.out
    assert (world / "gone").read_text().splitlines() == ["four hand-over", "two hand-over"]
    assert tiny.counts("one", "two", "three", "four") == [1, 1, 1, 1]
    assert tiny.rows("select count(*) from in_place") == [(0,)]
    status = tiny.ask("status")
    assert "empty, dev#2 destroy succeeded" in status.out


def test_logs_follow_a_run(make: Make, world: Path) -> None:
    """`logs -f` shows what is told while the run goes on, and ends with it."""
    tiny = make(command(world, "one", "echo early"), held(world, "two", "echo late", needs=["one"]))
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("two")
    logs = tiny.begin("logs", "dev#1", "-f")
    until(lambda: "early" in logs.out, "the first is shown")
    assert "late" not in logs.out
    tiny.let("two")
    answer = logs.answer()
    assert answer.code == 0, answer.err
    assert [line.split()[-1] for line in answer.out.splitlines()] == ["early", "late"]
    assert up.answer().code == 0


def test_a_selection_of_another_release_is_mixed(make: Make, world: Path) -> None:
    """After a `--select` run of another release the environment is mixed, and says so."""
    tiny = make(command(world, "one"), command(world, "two"))
    assert tiny.ask("up", "dev", "--yes").code == 0
    tiny.write("more.txt", "another release")
    assert tiny.ask("up", "dev", "--yes", "--select", "two").code == 0
    status = tiny.ask("status")
    assert "mixed: tiny@" in status.out
    assert tiny.counts("one", "two") == [1, 2]


def test_tools_make_files_as_a_shell_would(make: Make, world: Path) -> None:
    """What we write is private; what a program makes has the modes of the caller's own umask."""
    tiny = make(command(world, "one", f"umask >{world}/mask"))
    assert tiny.ask("up", "dev", "--yes").code == 0
    mask = os.umask(0o022)
    os.umask(mask)
    assert int((world / "mask").read_text(), 8) == mask
