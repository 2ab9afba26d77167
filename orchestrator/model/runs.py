"""What is a run, what happened in it, and what did each attempt do to the world?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from orchestrator.model.definitions import Cause, StageKind
from orchestrator.model.values import Json, Value


class Action(Enum):
    PLAN = "plan"
    APPLY = "apply"
    DESTROY = "destroy"


class Status(Enum):
    """Of a stage run. The first three go on; the others are ends."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # proved unchanged
    UNNEEDED = "unneeded"  # `when` or `--select` left it out
    BLOCKED = "blocked"  # a stage it needs did not succeed
    LOST = "lost"  # we do not know

    @property
    def ended(self) -> bool:
        return self not in (Status.PENDING, Status.RUNNING, Status.WAITING)

    @property
    def good(self) -> bool:
        return self in (Status.SUCCEEDED, Status.SKIPPED)


class RunStatus(Enum):
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STOPPED = "stopped"  # refused on the way; earlier stages applied
    LOST = "lost"  # at least one stage is lost

    @property
    def ended(self) -> bool:
        return self not in (RunStatus.RUNNING, RunStatus.WAITING)


@dataclass(frozen=True, slots=True, order=True)
class RunKey:
    """A run's name: dev#3, or guestbook/dev#3 where a project has several pipelines."""

    pipeline: str
    environment: str
    number: int  # counted from 1 per pipeline and environment

    def __str__(self) -> str:
        return f"{self.pipeline}/{self.environment}#{self.number}"

    @property
    def short(self) -> str:
        return f"{self.environment}#{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Counts: resources of a stack, or (host, task) pairs of a playbook (as `update`)."""

    create: int = 0
    update: int = 0
    delete: int = 0
    replace: int = 0
    same: int = 0

    @property
    def any(self) -> bool:
        return bool(self.create or self.update or self.delete or self.replace)

    def __str__(self) -> str:
        if not self.any:
            return "no changes"
        replaced = f" ±{self.replace}" if self.replace else ""
        return f"+{self.create} ~{self.update} -{self.delete}{replaced}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One resource or host that failed. The cause comes first in a list of them."""

    where: str  # a host, or a resource's type and name
    what: str  # the tool's own message, redacted
    task: str = ""  # "app : restart service"; empty for a resource
    file: str = ""  # "playbooks/roles/app/tasks/main.yml:31", relative to the project where inside
    cause: Cause = Cause.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one attempt did to the world."""

    status: Status  # SUCCEEDED, FAILED or CANCELLED; an executor knows no others
    changes: Changes = Changes()
    outputs: Mapping[str, Value] = field(default_factory=dict)  # declared ones, typed and checked
    failures: tuple[Failure, ...] = ()  # empty unless FAILED
    cause: Cause = Cause.FAILED  # read only where FAILED
    hosts: Mapping[str, str] = field(default_factory=dict)
    # ansible: host -> ok | changed | failed | unreachable | not_reached
    notes: tuple[str, ...] = ()  # warnings worth one line each


class RowCertainty(Enum):
    EXACT = "exact"
    PREDICTED = "predicted"
    OPAQUE = "opaque"
    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a plan."""

    address: str  # "aws:ec2/instance:Instance web-1", or "web-1: app : copy source"
    operation: str  # create | update | replace | delete | same | change | run
    paths: tuple[str, ...] = ()  # property paths that change
    certainty: RowCertainty = RowCertainty.EXACT
    detail: str = ""  # a diff for eyes, redacted


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one stage would do. Changes nothing."""

    rows: tuple[Row, ...] = ()  # without `same`
    changes: Changes = Changes()
    outputs: Mapping[str, Value] = field(default_factory=dict)  # those known already
    unknown: tuple[str, ...] = ()  # declared outputs that are not known yet
    deferred: str = ""  # why this stage cannot be planned now; empty where it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    key: RunKey
    action: Action
    status: RunStatus
    release: str  # digest
    environment_digest: str
    requested_by: str
    started_at: datetime
    ended_at: datetime | None = None
    select: tuple[str, ...] = ()
    lease_token: int = 0
    definition: Mapping[str, Json] = field(default_factory=dict)  # pipeline+environment as run
    reason: str = ""  # why it was refused or stopped; empty otherwise
    machine: str = ""  # that drove it last: there its attempts are (services.machine)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRun:
    run: RunKey
    stage: str
    kind: StageKind
    status: Status = Status.PENDING
    attempts: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    changes: Changes = Changes()
    outputs: Mapping[str, Json] = field(default_factory=dict)  # secrets sealed
    failures: tuple[Failure, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""  # why it is blocked, unneeded, skipped, waiting, lost
    inputs_digest: str = ""  # what this stage stood on (services.inputs); empty before it started
    notes: tuple[str, ...] = ()
    order: int = 0  # place in the pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlace:
    """What stands in an environment, stage by stage."""

    pipeline: str
    environment: str
    stage: str
    run: RunKey
    release: str
    inputs_digest: str
    outputs: Mapping[str, Json]
    at: datetime


LEASE_LASTS = timedelta(minutes=5)
"""A lease whose holder says nothing for so long is over, for other machines than the holder's."""
RENEW_EVERY = LEASE_LASTS / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A person keeps automation out of an environment."""

    owner: str  # "ana@laptop pid 4711"
    machine: str
    why: str
    taken_at: datetime
    until: datetime | None = None  # None: until it is given back

    @property
    def purpose(self) -> str:
        """Of the lease that it is."""
        return f"{_HOLD}{self.why}"

    def is_over(self, at: datetime) -> bool:
        return self.until is not None and self.until <= at


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The sole right to change an environment, its stacks and its hosts."""

    pipeline: str
    environment: str
    token: int  # grows with every taking, never used twice
    owner: str  # "ana@laptop pid 4711"
    purpose: str  # "run guestbook/dev#3", "plan", "hold: why"
    taken_at: datetime
    machine: str = ""  # whose locks prove that its holder lives (services.machine)
    until: datetime | None = None  # unless it is renewed before; None: does not end by itself
    beneath: Hold | None = None  # the hold that comes back when this one is given back

    @property
    def is_hold(self) -> bool:
        return self.purpose.startswith(_HOLD)

    @property
    def why(self) -> str:
        """What a hold is for."""
        return self.purpose.removeprefix(_HOLD)

    def is_over(self, at: datetime, *, machine: str) -> bool:
        """Whether its time is over, as a machine sees it.

        On its holder's own machine only a hold ends by time: there locks tell who lives.
        """
        ends = self.is_hold or self.machine != machine
        return ends and self.until is not None and self.until <= at

    def as_hold(self) -> Hold:
        return Hold(
            owner=self.owner,
            machine=self.machine,
            why=self.why,
            taken_at=self.taken_at,
            until=self.until,
        )


_HOLD = "hold: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A place in the queue for an environment; whoever came first is served first."""

    number: int
    pipeline: str
    environment: str
    owner: str
    machine: str
    purpose: str  # "up dev"
    since: datetime
    deadline: datetime  # start before it, or drop
    alive_until: datetime  # for other machines: unless it is renewed before, its holder is dead


@dataclass(frozen=True, slots=True, order=True)
class Covered:
    """One thing that a lease covers, and nobody else may change meanwhile."""

    thing: str  # "host 10.0.0.3:22", "stack s3://states shop/dev"
    label: str  # how people know it: "web-1 (10.0.0.3:22)"


class RequestKind(Enum):
    CANCEL = "cancel"
    HOLD_STARTS = "hold_starts"  # first Ctrl-C: start nothing more, let running stages end
    KILL = "kill"  # third Ctrl-C: end the process trees


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What another command asks the driver of a run."""

    number: int
    run: RunKey
    kind: RequestKind
    by: str
    at: datetime
    stage: str = ""
