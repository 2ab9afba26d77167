"""Is a secret hidden that a stage was handed only as a part of a longer text?"""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import command, files_with

pytestmark = pytest.mark.slow

OURS, THEIRS = "correct-horse-77", "battery-staple-88"


def test_a_part_of_a_text_is_hidden_by_itself(make: Make, world: Path) -> None:
    """A tool that takes a URL apart tells nothing, whether its password was ours or an output."""
    theirs = world / "theirs.json"
    tell = 'echo "password ${A#*:} and ${B#*:}"'
    tiny = make(
        command(
            world, "one", f"cat {theirs} > $ORCHESTRATOR_OUTPUT", outputs={"pw": "secret(string)"}
        ),
        command(
            world,
            "two",
            tell,
            env={"A": "ana:${{ secrets.pw }}", "B": "bo:${{ stages.one.outputs.pw }}"},
        ),
    )
    theirs.write_text(json.dumps({"pw": THEIRS}))
    tiny.environment("dev", "secrets: { pw: env://PW }\n")
    answer = tiny.ask("--plain", "--verbose", "up", "dev", "--yes", variables={"PW": OURS})
    assert answer.code == 0, answer.all
    logs = tiny.ask("logs", "dev#1", "two")
    assert "password ***** and *****" in logs.out
    assert not [text for text in (OURS, THEIRS) if text in answer.all + logs.all]
    assert files_with(tiny.home, [OURS.encode(), THEIRS.encode()]) == []
