"""Which runs, stages and events do the tests of the store talk about?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.model.definitions import StageKind
from orchestrator.model.events import Recorded
from orchestrator.model.runs import Action, Run, RunKey, RunStatus, StageRun
from orchestrator.model.values import Json
from orchestrator.ports import Store

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DEV = RunKey("guestbook", "dev", 1)


def later(minutes: int) -> datetime:
    return AT + timedelta(minutes=minutes)


def write_key(path: Path) -> None:
    path.write_text("key")
    path.chmod(0o600)


def a_run(key: RunKey = DEV, *, reason: str = "") -> Run:
    return Run(
        key=key,
        action=Action.APPLY,
        status=RunStatus.RUNNING,
        release="d1",
        environment_digest="e1",
        requested_by="ana",
        started_at=AT,
        definition={"stages": {"network": {"needs": []}}},
        reason=reason,
    )


def a_stage(stage: str = "network", *, key: RunKey = DEV, order: int = 0) -> StageRun:
    return StageRun(run=key, stage=stage, kind=StageKind.PULUMI, order=order)


def an_event(sequence: int, *, stage: str = "network", attempt: int = 1) -> Recorded:
    body: dict[str, Json] = {"text": f"line {sequence}", "stream": "stdout", "severity": "info"}
    return Recorded(stage=stage, attempt=attempt, sequence=sequence, at=AT, type="log", body=body)


def on_host(event: Recorded, host: str, *, failed: bool = False) -> Recorded:
    return replace(event, host=host, failed=failed)


def with_run(store: Store, key: RunKey = DEV) -> RunKey:
    with store.write() as t:
        t.add_run(a_run(key), [a_stage(key=key)])
    return key
