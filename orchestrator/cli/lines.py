"""How does one event read, as a line for eyes or an object for programs?"""

from __future__ import annotations

from typing import Any

from orchestrator.cli.words import clean, duration, stage_words
from orchestrator.model.codec import encode
from orchestrator.model.events import Recorded, RunEvent

_RECAP = {"dark": "unreachable", "failures": "failed"}  # as Ansible's own recap says it


def as_json(told: RunEvent | Recorded) -> dict[str, Any]:
    """The published form of what is told (docs/events.md)."""
    if isinstance(told, RunEvent):
        return {
            "v": 1,
            "at": told.at.isoformat(),
            "type": told.type,
            "run": told.run,
            "stage": told.stage,
            **encode(told.body),  # type: ignore[dict-item]  # the body of an event is an object
        }
    return {
        "v": 1,
        "at": told.at.isoformat(),
        "type": f"told.{told.type}",
        "stage": told.stage,
        "attempt": told.attempt,
        "sequence": told.sequence,
        **told.body,
    }


def event_line(event: RunEvent) -> str:
    """A run event as one line, without time and run."""
    body: Any = event.body
    if event.type == "run.started":
        verb = {"apply": "->", "destroy": "destroy"}[body["action"]]
        return f"{body['release']} {verb} {body['environment']}  by {body['by']}"
    if event.type == "run.ended":
        reason = f"  {body['reason']}" if body["reason"] else ""
        return f"{body['status']} {duration(body['seconds'])}{reason}"
    if event.type == "stage.started":
        again = f" (attempt {body['attempt']})" if body["attempt"] > 1 else ""
        return f"{event.stage} started{again}"
    if event.type == "stage.retrying":
        cause = stage_words({**body, "status": "failed"})
        return f"{event.stage} failed: {cause}; {body['reason']}"
    if event.type == "stage.settled":
        return f"{event.stage} was lost; {body['text']}"
    if event.type == "stage.narrowed":
        return f"{event.stage} only on {', '.join(body['hosts'])}"
    if event.type == "run.store_away":
        until = body["until"][11:19]
        return f"{body['why']} Attempts go on; it is asked again until {until} UTC"
    took = duration(body["seconds"]) if body.get("seconds") else ""
    return " ".join(part for part in (event.stage, body["status"], took, stage_words(body)) if part)


def now_line(row: Recorded) -> str:
    """What a stage is at, in a few words; empty for what does not say it."""
    return clean(_now(row))


def _now(row: Recorded) -> str:
    body: Any = row.body
    if row.type == "task":
        count = f"{body['number']}/{body['total']} " if body.get("total") else ""
        return f"{count}{body['task']}"
    if row.type == "resource" and body["state"] == "started" and body["operation"] != "same":
        return f"{body['operation']} {body['name']}"
    return str(body["text"]) if row.type == "progress" else ""


def told_line(row: Recorded) -> str:
    """A recorded event as a log line; empty for what only counts."""
    return clean(_told(row))


def _told(row: Recorded) -> str:
    body: Any = row.body
    if row.type in ("log", "progress"):
        return str(body["text"])
    if row.type == "resource":
        what = f"{body['operation']} {body['kind']} {body['name']}"
        if body["operation"] == "same":
            return ""
        return f"{what}: {body['state']}" + (f" {body['message']}" if body["message"] else "")
    if row.type == "task":
        where = f"  ({body['file']})" if body.get("file") else ""
        return f"TASK {body['task']}{where}"
    if row.type == "result":
        item = f" [{body['item']}]" if body.get("item") else ""
        text = f"{body['host']}: {body['state']}{item}"
        tail = body["message"] if body["state"] != "skipped" else ""
        diff = f"\n{body['diff'].rstrip()}" if body.get("diff") else ""
        return text + (f"  {tail}" if tail else "") + diff
    if row.type == "host":
        counts = " ".join(f"{_RECAP.get(k, k)}={v}" for k, v in body["counts"].items())
        return f"{body['host']}: {body['state']}  {counts}"
    return ""
