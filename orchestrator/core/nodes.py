"""What must the scheduler know of a stage?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from orchestrator.core.graph import Graph
from orchestrator.model.definitions import (
    ApprovalSpec,
    CheckSpec,
    Limits,
    OnFailure,
    Pipeline,
    Retry,
    Stage,
    StageKind,
    When,
)
from orchestrator.model.runs import StageRun, Status

ONE_TRY = Retry()
CEILING = timedelta(minutes=5)  # of the wait before an attempt
TIMEOUTS: Mapping[StageKind, timedelta] = MappingProxyType(
    {
        StageKind.PULUMI: timedelta(hours=1),
        StageKind.ANSIBLE: timedelta(hours=1),
        StageKind.COMMAND: timedelta(minutes=30),
        StageKind.CHECK: timedelta(minutes=1),  # besides its `within` and `hold`
        StageKind.APPROVAL: timedelta(days=7),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A stage as the scheduler sees it, and how far it is."""

    name: str
    kind: StageKind = StageKind.COMMAND
    needs: tuple[str, ...] = ()  # references included; as for apply, also where the run destroys
    when: When = When.SUCCESS
    retry: Retry = ONE_TRY
    on_failure: OnFailure = OnFailure.STOP
    irreversible: bool = False
    expires: timedelta | None = None  # of an approval
    left_out: str = ""  # why this run has nothing to do here (--select, once); empty: it has
    status: Status = Status.PENDING
    attempts: int = 0  # begun so far, in this run
    started_at: datetime | None = None  # of the last attempt; since when an approval waits
    ended_at: datetime | None = None  # of the last attempt; a retry waits from then
    reason: str = ""


def nodes_of(
    pipeline: Pipeline,
    graph: Graph,
    *,
    left_out: Mapping[str, str] = MappingProxyType({}),
    recorded: Mapping[str, StageRun] = MappingProxyType({}),
) -> tuple[Node, ...]:
    """One for each stage, in declared order.

    left_out: stage -> why. recorded: how far the run is, by stage; those absent are pending.
    """
    return tuple(
        _node(stage, graph, left_out.get(name, ""), recorded.get(name))
        for name, stage in pipeline.stages.items()
    )


def wait_before(
    attempt: int, *, base: timedelta = timedelta(seconds=10), ceiling: timedelta = CEILING
) -> timedelta:
    """Wait before an attempt: first base, then twice the last wait, never above ceiling.

    attempt: counted from 1; the first waits nothing. Raises ValueError below 1.
    """
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, not {attempt}")
    if attempt == 1:
        return timedelta(0)
    doublings = min(attempt - 2, 40)  # beyond that a timedelta overflows, far above any ceiling
    return min(base, ceiling) if doublings == 0 else min(base * 2**doublings, ceiling)


def timeout_of(stage: Stage) -> timedelta:
    """How long one attempt of a stage may take: its own `timeout`, else the default of its kind."""
    if stage.timeout is not None:
        return stage.timeout
    if isinstance(stage.spec, CheckSpec):
        return stage.spec.within + stage.spec.hold + TIMEOUTS[StageKind.CHECK]
    return TIMEOUTS[stage.kind]


def narrowest(*limits: Limits) -> Limits:
    """The limits that keep all the given ones: of the pipeline, of the environment."""
    kinds = {kind: _narrow(each.kinds.get(kind, 0) for each in limits) for kind in StageKind}
    return Limits(
        run=_narrow(each.run for each in limits),
        kinds={kind: width for kind, width in kinds.items() if width},
    )


def _node(stage: Stage, graph: Graph, left_out: str, recorded: StageRun | None) -> Node:
    node = Node(
        name=stage.name,
        kind=stage.kind,
        needs=graph.needs(stage.name),
        when=stage.when,
        retry=stage.retry,
        on_failure=stage.on_failure,
        irreversible=stage.irreversible,
        expires=stage.spec.expires if isinstance(stage.spec, ApprovalSpec) else None,
        left_out=left_out,
    )
    return node if recorded is None else _as_recorded(node, recorded)


def _as_recorded(node: Node, recorded: StageRun) -> Node:
    return replace(
        node,
        status=recorded.status,
        attempts=recorded.attempts,
        started_at=recorded.started_at,
        ended_at=recorded.ended_at,
        reason=recorded.reason,
    )


def _narrow(widths: Iterable[int]) -> int:
    return min((width for width in widths if width), default=0)
