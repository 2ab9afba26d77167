"""What must hold of the driving loop?"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.model.errors import ExecutorError
from orchestrator.model.events import Recorded
from orchestrator.model.runs import Outcome, RequestKind, RunKey, RunStatus, Status
from orchestrator.model.values import Value
from orchestrator.services import driver
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.retrying import retry
from orchestrator.services.runs import request
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


def test_an_attempt_that_lives_is_watched_though_its_parent_died(tmp_path: Path) -> None:
    """Who cannot say that it has started an attempt may have done so: it is not called failed."""
    with small(tmp_path, "a: { command: { run: [x] } }") as project:

        def start(folder: AttemptFolder, variables: Mapping[str, str]) -> None:
            project.attempts.start(folder, variables)
            raise ExecutorError("the attempt could not be started: it ended.", started=False)

        app = replace(project.app, start_attempt=start)
        assert replace(project, app=app).up().status is RunStatus.SUCCEEDED


def test_a_cancel_is_heard_whatever_the_clocks_say(tmp_path: Path) -> None:
    """A request from a machine whose clock is behind counts; a retry begins with none."""
    stages = ("a: { command: { run: [x] } }", "b: { needs: [a], command: { run: [x] } }")
    key = RunKey("tiny", "dev", 1)
    with small(tmp_path, *stages) as project:

        def ask(_: AttemptFolder) -> None:
            project.clock.at -= timedelta(hours=1)
            request(project.app, key, RequestKind.CANCEL)
            project.clock.at += timedelta(hours=1)

        project.attempts.before = ask
        assert project.up().status is RunStatus.CANCELLED
        assert project.attempts.started == ["a"]
        project.attempts.before = lambda _: None
        again = retry(project.app, key, listener=print, interrupts=Interrupts())
        assert again.status is RunStatus.SUCCEEDED
        assert project.attempts.started == ["a", "b"]
