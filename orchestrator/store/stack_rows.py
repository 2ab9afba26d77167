"""How do rows of stacks read as values of the model, and back?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from orchestrator.model.stacks import Stack, StackName, StackUpdate, StackVersion, Writer
from orchestrator.store.columns import moment_text


def stack_of(row: Row[Any]) -> Stack:
    return Stack(
        name=StackName(row.program, row.stack),
        pipeline=row.pipeline,
        environment=row.environment,
        version=row.version,
        key=row.key,
        tags=row.tags,
        update=active_of(row.active),
        resources=row.resources or 0,
        pending=row.pending or 0,
        changed_at=row.changed_at,
    )


def version_of(row: Row[Any]) -> StackVersion:
    return StackVersion(
        version=row.version,
        kind=row.kind,
        result=row.result,
        run=row.run,
        stage=row.stage,
        attempt=row.attempt,
        token=row.token,
        digest=row.digest,
        resources=row.resources,
        pending=row.pending,
        at=row.at,
        ended_at=row.ended_at,
    )


def body_of(update: StackUpdate) -> dict[str, Any]:
    by = update.by
    return {
        "id": update.id,
        "kind": update.kind,
        "since": moment_text(update.since),
        "until": moment_text(update.until),
        "pipeline": by.pipeline,
        "environment": by.environment,
        "token": by.token,
        "run": by.run,
        "stage": by.stage,
        "attempt": by.attempt,
    }


def active_of(body: Mapping[str, Any] | None) -> StackUpdate | None:
    if body is None:
        return None
    return StackUpdate(
        id=body["id"],
        kind=body["kind"],
        since=datetime.fromisoformat(body["since"]),
        until=datetime.fromisoformat(body["until"]),
        by=Writer(
            pipeline=body["pipeline"],
            environment=body["environment"],
            token=body["token"],
            run=body["run"],
            stage=body["stage"],
            attempt=body["attempt"],
        ),
    )
