"""What did one Pulumi process answer? All that outcome and plan are read from, in one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.model.runs import Changes
from orchestrator.pulumi.events import Message, Step, Summary, Told
from orchestrator.pulumi.urns import ROOT, is_default_provider, type_of

_COUNTED = {
    "create": "create",
    "import": "create",
    "update": "update",
    "delete": "delete",
    "discard": "delete",
    "replace": "replace",
    "same": "same",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """code: the process's exit code, negative for a signal. stderr: its last lines."""

    code: int
    told: tuple[Told, ...] = ()
    stderr: tuple[str, ...] = ()
    stdout: tuple[str, ...] = ()

    @property
    def steps(self) -> Iterator[Step]:
        return (item for item in self.told if isinstance(item, Step))

    @property
    def messages(self) -> Iterator[Message]:
        return (item for item in self.told if isinstance(item, Message))

    @property
    def summary(self) -> Summary | None:
        """The last one: of the update where a preview went before it."""
        found = [item for item in self.told if isinstance(item, Summary)]
        return found[-1] if found else None

    @property
    def changed_something(self) -> bool:
        """Whether an operation on a real resource began."""
        return any(
            not step.planning and step.operation not in ("same", "refresh", "read")
            for step in self.steps
        )


def root_outputs(answer: Answer) -> Mapping[str, Any] | None:
    """The stack's outputs as the events show them; None where the stack's own step never ended."""
    found: Mapping[str, Any] | None = None
    for step in answer.steps:
        if type_of(step.urn) == ROOT and step.state == "done" and step.operation != "refresh":
            found = step.new.get("outputs", {})
    return found


def changes_of(answer: Answer) -> Changes:
    """Counts as Pulumi's summary has them, or of the steps that ended where there is none."""
    counts: dict[str, int] = {}
    if answer.summary is not None:
        for word, number in answer.summary.changes.items():
            if word in _COUNTED:
                counts[_COUNTED[word]] = counts.get(_COUNTED[word], 0) + number
        return Changes(**counts)
    for step in answer.steps:
        counted = step.raw in _COUNTED and step.state == "done" and not step.planning
        if counted and not is_default_provider(step.urn):
            counts[_COUNTED[step.raw]] = counts.get(_COUNTED[step.raw], 0) + 1
    return Changes(**counts)
