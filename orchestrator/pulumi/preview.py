"""What would an update change? Pure: from a preview's answer to rows, counts and known outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.model.runs import Plan, Row
from orchestrator.model.types import ValueType
from orchestrator.pulumi.answer import Answer, changes_of, root_outputs
from orchestrator.pulumi.events import Step, drifted
from orchestrator.pulumi.outputs import has_secret, typed_outputs
from orchestrator.pulumi.urns import ROOT, address_of, is_default_provider, type_of

_LONGEST_SHOWN = 120  # characters of one value in a diff for eyes


def plan_of(answer: Answer, declared: Mapping[str, ValueType], revealed: Mapping[str, Any]) -> Plan:
    """revealed: values of secret outputs, where nothing changes them."""
    outputs = typed_outputs(root_outputs(answer) or {}, declared, revealed)
    return Plan(
        rows=tuple(_row(step) for step in _changing(answer).values()),
        changes=changes_of(answer),
        outputs=outputs,
        unknown=tuple(name for name in declared if name not in outputs),
    )


def is_unchanged(answer: Answer) -> bool:
    """Whether a refreshed preview proves that an update would change neither world nor state."""
    if answer.code != 0 or answer.summary is None or _changing(answer):
        return False
    if any(drifted(step) for step in answer.steps if not is_default_provider(step.urn)):
        return False
    return _same_outputs(answer)


def _same_outputs(answer: Answer) -> bool:
    for step in answer.steps:
        if type_of(step.urn) == ROOT and step.operation == "same" and step.state == "done":
            return bool(step.old.get("outputs", {}) == step.new.get("outputs", {}))
    return False


def _changing(answer: Answer) -> dict[str, Step]:
    """The first telling step of each resource that changes, in the engine's order."""
    found: dict[str, Step] = {}
    for step in answer.steps:
        quiet = step.operation in ("same", "refresh", "read") or is_default_provider(step.urn)
        if step.state == "started" and not quiet:
            known = found.get(step.urn)
            if known is None or (step.operation == "replace" and known.operation != "replace"):
                found[step.urn] = step
    return found


def _row(step: Step) -> Row:
    return Row(
        address=address_of(step.urn),
        operation=step.operation,
        paths=step.paths,
        detail="\n".join(_shown(path, step) for path in step.paths),
    )


def _shown(path: str, step: Step) -> str:
    key = path.split(".")[0].split("[")[0]
    old, new = (side.get("inputs", {}).get(key) for side in (step.old, step.new))
    return f"{path}: {_text(old)} -> {_text(new)}"


def _text(value: Any) -> str:
    if has_secret(value):
        return "[secret]"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
