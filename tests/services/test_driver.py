"""What must hold of the driving loop?"""

import json
from pathlib import Path

import pytest

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.model.events import Recorded
from orchestrator.model.runs import Outcome, RunStatus, Status
from orchestrator.model.values import Value
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


def test_odd_values_of_a_tool_reach_the_next_stage(tmp_path: Path) -> None:
    """Integers beyond 2^53 and broken text are handed on as they are."""
    stages = (
        "a: { command: { run: [x] }, outputs: { n: int, t: string } }",
        'b: { command: { run: ["${{ stages.a.outputs.n }}", "${{ stages.a.outputs.t }}"] } }',
    )
    with small(tmp_path, *stages) as project:
        odd: dict[str, Value] = {"n": 2**60 + 1, "t": "\udc80 \0"}
        project.attempts.answers["a"] = Outcome(status=Status.SUCCEEDED, outputs=odd)
        assert project.up().status is RunStatus.SUCCEEDED
        assert project.attempts.orders["b"]["spec"]["run"] == list(odd.values())
