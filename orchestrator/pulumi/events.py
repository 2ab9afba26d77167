"""What does one line of Pulumi's event log tell? Pure: from raw JSON to our events and steps.

The engine logs its debug lines there as well, with secrets in clear: they are dropped unread.
Secret values in steps are masked by the engine itself. Source: sdk/go/common/apitype/events.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.model.events import LogLine, ResourceEvent, StageEvent
from orchestrator.pulumi.urns import is_default_provider, name_of, type_of

_COLOURS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_OPERATIONS = {
    "same": "same",
    "create": "create",
    "update": "update",
    "delete": "delete",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import": "create",
    "import-replacement": "replace",
    "read": "read",
    "read-replacement": "read",
    "read-discard": "read",
    "discard": "delete",
    "discard-replaced": "replace",
    "remove-pending-replace": "replace",
    "refresh": "refresh",
}
_SEVERITIES = {"info#err": "info", "info": "info", "warning": "warning", "error": "error"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A resource's operation began, ended or failed."""

    urn: str
    operation: str  # one of ours
    raw: str  # Pulumi's own word for it
    state: str  # started | done | failed
    planning: bool = False  # of the preview before an update
    paths: tuple[str, ...] = ()
    old: Mapping[str, Any] = field(default_factory=dict)  # inputs and outputs before
    new: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A diagnostic, free of colours. urn: empty where it is of the program or the stack."""

    text: str
    severity: str
    urn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The end of an update or preview. changes: counts by Pulumi's own words."""

    changes: Mapping[str, int]
    preview: bool
    result: str  # succeeded | failed | …
    corrupt: bool = False


Told = Step | Message | Summary


def told_by(line: str) -> Told | None:
    """What one line of the log says; None where it is of no use to us, or torn."""
    if '"severity":"debug"' in line:
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return _told(event) if isinstance(event, Mapping) else None


def stage_event(told: Told) -> StageEvent | None:
    """What is worth showing live: not what stays as it is."""
    if isinstance(told, Message):
        return LogLine(text=told.text, stream="tool", severity=told.severity)
    if isinstance(told, Summary) or told.planning or is_default_provider(told.urn):
        return None
    if told.raw == "replace":  # only the bracket around its two halves
        return None
    if told.operation in ("same", "read", "refresh") and told.state != "failed":
        return _event(told) if drifted(told) else None
    return _event(told)


def _event(told: Step) -> ResourceEvent:
    return ResourceEvent(
        urn=told.urn,
        kind=type_of(told.urn),
        name=name_of(told.urn),
        operation=told.operation,
        state=told.state,
        paths=told.paths,
        message={"create-replacement": "new", "delete-replaced": "old"}.get(told.raw, ""),
    )


def drifted(step: Step) -> bool:
    """Whether a refresh found the world different from the state."""
    if step.operation != "refresh" or step.state != "done":
        return False
    return step.old.get("outputs") != step.new.get("outputs")


def plain(text: str) -> str:
    return _COLOURS.sub("", text).rstrip()


def changed_paths(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Property paths that differ: the provider's own list, else top-level inputs compared."""
    detailed = metadata.get("detailedDiff") or {}
    named = list(detailed) or list(metadata.get("diffs") or ())
    if named:
        return tuple(sorted(named))
    old, new = metadata.get("old"), metadata.get("new")
    if not old or not new:
        return ()
    before, after = old.get("inputs") or {}, new.get("inputs") or {}
    return tuple(sorted(k for k in {*before, *after} if before.get(k) != after.get(k)))


def _told(event: Mapping[str, Any]) -> Told | None:
    if "diagnosticEvent" in event:
        return _message(event["diagnosticEvent"])
    if "summaryEvent" in event:
        return _summary(event["summaryEvent"])
    for key, state in _STATES:
        if key in event:
            return _step(event[key], state)
    if "errorEvent" in event:
        return Message(text=plain(str(event["errorEvent"].get("error", ""))), severity="warning")
    if "policyEvent" in event:
        return _policy(event["policyEvent"])
    if "stdoutEvent" in event:
        text = plain(str(event["stdoutEvent"].get("message", "")))
        return Message(text=text, severity="info") if text else None
    return None


_STATES = (
    ("resourcePreEvent", "started"),
    ("resOutputsEvent", "done"),
    ("resOpFailedEvent", "failed"),
)


def _step(body: Mapping[str, Any], state: str) -> Step:
    metadata = body["metadata"]
    return Step(
        urn=str(metadata["urn"]),
        operation=_OPERATIONS.get(metadata["op"], str(metadata["op"])),
        raw=str(metadata["op"]),
        state=state,
        planning=bool(body.get("planning")),
        paths=changed_paths(metadata) if metadata["op"] not in ("same", "refresh") else (),
        old=dict(_sides(metadata.get("old"))),
        new=dict(_sides(metadata.get("new"))),
    )


def _sides(state: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    for key in ("inputs", "outputs"):
        if state and state.get(key):
            yield key, state[key]


def _message(body: Mapping[str, Any]) -> Message | None:
    text = plain(str(body.get("message", "")))
    severity = _SEVERITIES.get(str(body.get("severity")))
    if not text or severity is None or body.get("ephemeral"):
        return None
    return Message(text=text, severity=severity, urn=str(body.get("urn") or ""))


def _policy(body: Mapping[str, Any]) -> Message:
    mandatory = body.get("enforcementLevel") == "mandatory"
    return Message(
        text=f"policy {body.get('policyName')}: {plain(str(body.get('message', '')))}",
        severity="error" if mandatory else "warning",
        urn=str(body.get("resourceUrn") or ""),
    )


def _summary(body: Mapping[str, Any]) -> Summary:
    return Summary(
        changes={str(k): int(v) for k, v in (body.get("resourceChanges") or {}).items()},
        preview=bool(body.get("isPreview")),
        result=str(body.get("result") or ""),
        corrupt=bool(body.get("maybeCorrupt")),
    )
