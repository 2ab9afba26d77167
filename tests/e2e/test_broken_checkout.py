"""Does a mistake in today's files keep anybody from a run that goes on?"""

from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import held

pytestmark = pytest.mark.slow


def test_a_run_can_be_ended_while_files_are_broken(make: Make, world: Path) -> None:
    """Looking, following, cancelling need no more of the checkout than which project it is."""
    tiny = make(held(world, "one"), held(world, "two", needs=["one"]))
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("one")
    up.kill()
    whole = (tiny.root / "orchestrator.yaml").read_text()
    tiny.write("orchestrator.yaml", whole.replace("  two:", "  two:\n    nonsense: 1\n  three:"))
    tiny.write("inventories/dev/environment.yaml", "nonsense: [\n")
    assert tiny.ask("validate").code == 2
    assert "two" in tiny.ask("status", "dev#1").out
    assert "dev#1" in tiny.ask("runs").out
    assert tiny.ask("logs", "dev#1").code == 0
    answer = tiny.ask("cancel", "dev#1")
    assert answer.code == 0, answer.all
    assert tiny.marked() == []
    assert tiny.rows("select status from runs") == [("cancelled",)]
    assert tiny.ask("up", "dev", "--yes").code == 2
