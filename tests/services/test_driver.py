"""What must hold of the driving loop?"""

import json
from pathlib import Path

import pytest

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.model.events import Recorded
from orchestrator.model.runs import RunStatus
from orchestrator.services import driver
from tests.services.stage_app import small


def test_all_that_was_told_is_taken_in_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage that told more than fits into one look loses none of it."""
    monkeypatch.setattr(driver, "MOST_READ", 1)

    def tell(folder: AttemptFolder) -> None:
        row = {"at": "2026-11-25T12:00:00+00:00", "type": "log", "host": "", "failed": False}
        body = {"text": "x" * 500_000, "stream": "stdout", "severity": "info"}
        lines = (json.dumps({"sequence": n, **row, "body": body}) for n in range(1, 31))
        folder.spool.write_text("".join(f"{line}\n" for line in lines))

    with small(tmp_path, "a: { command: { run: [x] } }") as project:
        project.attempts.before = tell
        assert project.up().status is RunStatus.SUCCEEDED
        told = [row.sequence for row in project.told if isinstance(row, Recorded)]
        assert told == list(range(1, 31))
