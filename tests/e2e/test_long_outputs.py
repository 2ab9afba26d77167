"""What becomes of an output of many megabytes?"""

from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import command

pytestmark = pytest.mark.slow

SCRIPT = """(printf '{"x":"'; head -c 10000000 /dev/zero | tr '\\0' y; printf '"}')"""


def test_ten_megabytes_are_handed_on_and_shown_in_short(make: Make, world: Path) -> None:
    """The next stage could have all of it; eyes get its beginning, programs the whole."""
    tiny = make(command(world, "big", f"{SCRIPT} > $ORCHESTRATOR_OUTPUT", outputs={"x": "string"}))
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 0, answer.err
    shown = tiny.ask("status", "dev#1")
    assert "10000000 characters" in shown.out
    assert len(shown.out) < 10_000
    assert len(tiny.ask("--json", "status", "dev#1").last["stages"][0]["outputs"]["x"]) == 10**7
