"""How does what a stage told read as a log line?"""

from datetime import UTC, datetime

import pytest

from orchestrator.cli.lines import told_line
from orchestrator.model.events import Recorded


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("ok", "web-1: ok  colour green"),  # what `debug` prints is why the task is there
        ("failed", "web-1: failed  colour green"),
        ("skipped", "web-1: skipped"),
    ],
)
def test_a_result_says_its_message(state: str, line: str) -> None:
    """What a task has to say stands beside the host; why one was skipped does not."""
    body = {"host": "web-1", "state": state, "item": "", "message": "colour green", "diff": ""}
    row = Recorded(
        stage="site", attempt=1, sequence=1, at=datetime.now(UTC), type="result", body=body
    )
    assert told_line(row) == line
