"""Through which doors do the rooms meet?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from orchestrator.model.events import Recorded, RunEvent, StageEvent
from orchestrator.model.runs import (
    LEASE_LASTS,
    Covered,
    Hold,
    InPlace,
    Lease,
    Outcome,
    Plan,
    Request,
    RequestKind,
    Run,
    RunKey,
    StageRun,
    Ticket,
)
from orchestrator.model.stacks import (
    Deployment,
    Stack,
    StackName,
    StackUpdate,
    StackVersion,
    Writer,
)
from orchestrator.model.values import Json
from orchestrator.model.work import Work


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC."""
        ...


class Report(Protocol):
    """Where an executor tells what goes on. Never blocks for long, never raises."""

    def __call__(self, event: StageEvent) -> None: ...


class StageExecutor(Protocol):
    """Carries out one kind of stage, inside an attempt process. Blocks; knows no run and no other.

    Each method ends soon after `work.cancel` was asked (politely first, `work.grace` later by
    force), with its tool's whole process tree gone. Raises ExecutorError where the tool was asked
    and its answer cannot tell what is true; ToolError and DefinitionError before anything started.
    """

    def plan(self, work: Work, report: Report) -> Plan: ...  # changes nothing
    def apply(self, work: Work, report: Report) -> Outcome: ...  # makes it so; safe to repeat
    def destroy(self, work: Work, report: Report) -> Outcome: ...  # takes it away; safe to repeat
    def unchanged(self, work: Work, report: Report) -> str:
        """How a look at the real world proves that `apply` would change nothing; "" if it cannot.

        Asked only where inputs equal those of the last success and nothing above changed.
        """
        ...


class StackStates(Protocol):
    """The states of stacks, in one transaction.

    Every write is made by a Writer and raises Fenced where its lease is not the current one of the
    environment that the stack belongs to; NotFound where there is no such stack.
    """

    def stack(self, name: StackName) -> Stack | None: ...
    def stacks(self) -> tuple[Stack, ...]: ...  # by name
    def stack_key(self, name: StackName) -> str: ...  # a removed one's as well; "" where none
    def deployment(self, name: StackName, version: int = 0) -> bytes | None:
        """The content at a version (0: the last); None where it is empty or not kept."""
        ...

    def stack_versions(self, name: StackName, *, limit: int = 1000) -> tuple[StackVersion, ...]:
        """Newest first."""
        ...

    def make_stack(
        self, name: StackName, by: Writer, *, key: str, tags: Mapping[str, str], at: datetime
    ) -> Stack:
        """An empty stack; a removed one comes back with its key and its history."""
        ...

    def tag_stack(self, name: StackName, by: Writer, tags: Mapping[str, str]) -> None: ...
    def remove_stack(self, name: StackName, by: Writer, at: datetime) -> None: ...
    def rename_stack(self, name: StackName, by: Writer, new: StackName, at: datetime) -> None:
        """Raises Refused where there is, or was, one of the new name."""
        ...

    def check_free(self, name: StackName, by: Writer, at: datetime) -> None:
        """Nothing where this writer may begin an update now. Raises as `begin_update` does."""
        ...

    def begin_update(self, name: StackName, update: StackUpdate, *, base: int | None) -> int:
        """The new version. Raises Locked where another update is under way, Refused where the
        stack is not at version `base` (None: at any)."""
        ...

    def renew_update(self, name: StackName, update: StackUpdate) -> None: ...
    def save_deployment(
        self, name: StackName, update: StackUpdate, deployment: Deployment
    ) -> None: ...
    def add_entries(self, name: StackName, update: StackUpdate, first: int, batch: bytes) -> None:
        """A batch of entries of the update (core.journal.folded), by the number of the first."""
        ...

    def end_update(
        self, name: StackName, update: StackUpdate, *, result: str, at: datetime
    ) -> None:
        """Old versions go by rule: the last 20 and the last of each day are kept."""
        ...


class Transaction(StackStates, Protocol):
    """One transaction over the store; writes of a read transaction raise.

    A project has one store; every key below is (pipeline, environment, …) within it.
    """

    # who may change what
    def lease(self, pipeline: str, environment: str) -> Lease | None:
        """The lease that is held, also where its time is over and nobody took it yet."""
        ...

    def leases(self) -> tuple[Lease, ...]: ...  # all that are held
    def lease_lasted(self, pipeline: str, environment: str) -> datetime | None:
        """Until when the last one was good, also where nobody holds it any more."""
        ...

    def take_lease(
        self,
        pipeline: str,
        environment: str,
        *,
        owner: str,
        purpose: str,
        at: datetime,
        machine: str = "",
        lasts: timedelta | None = LEASE_LASTS,
        beneath: Hold | None = None,
    ) -> Lease:
        """A lease with a token above every earlier one.

        Raises Locked naming who holds it; not where that one is over as `machine` sees it, nor
        where it is the very hold that shall lie beneath.
        """
        ...

    def renew_lease(
        self, pipeline: str, environment: str, token: int, *, until: datetime | None
    ) -> None:
        """It lasts until then. Raises Fenced where the token is not the current one."""
        ...

    def check_lease(self, pipeline: str, environment: str, token: int) -> None:
        """Raises Fenced where the token is not the current one, saying whose is."""
        ...

    def break_lease(self, pipeline: str, environment: str, token: int) -> None:
        """Nobody holds it, and its token can write no more. Raises Fenced as `check_lease`."""
        ...

    def rename_lease(self, lease: Lease, purpose: str) -> None: ...
    def release_lease(self, pipeline: str, environment: str, token: int) -> None:
        """The environment is free if the token is still the current one; else nothing.

        A hold that lay beneath comes back, under a token of its own.
        """
        ...

    def cover(self, lease: Lease, things: Iterable[Covered]) -> None:
        """The lease covers these besides, until it goes.

        Raises Fenced where it is not the current one, Locked where another held lease covers one.
        """
        ...

    def covered(self, pipeline: str, environment: str) -> tuple[Covered, ...]: ...

    # who waits for it
    def add_ticket(
        self,
        pipeline: str,
        environment: str,
        *,
        owner: str,
        machine: str,
        purpose: str,
        at: datetime,
        deadline: datetime,
        alive_until: datetime,
    ) -> Ticket: ...
    def tickets(self, pipeline: str, environment: str) -> tuple[Ticket, ...]: ...  # first first
    def renew_ticket(self, number: int, alive_until: datetime) -> None: ...
    def drop_ticket(self, number: int) -> None: ...

    # runs
    def next_number(self, pipeline: str, environment: str) -> int: ...
    def add_run(self, run: Run, stages: Sequence[StageRun]) -> None: ...
    def run(self, key: RunKey) -> Run: ...  # raises NotFound naming the nearest runs
    def runs(
        self, *, pipeline: str = "", environment: str = "", limit: int = 50
    ) -> tuple[Run, ...]: ...  # newest first
    def save_run(self, run: Run) -> None: ...
    def stage_runs(self, key: RunKey) -> tuple[StageRun, ...]: ...  # in pipeline order
    def save_stage_run(self, stage: StageRun) -> None: ...

    # what was told
    def add_recorded(self, key: RunKey, events: Iterable[Recorded]) -> int:
        """How many were new: (run, stage, attempt, sequence) is stored once."""
        ...

    def recorded(
        self,
        key: RunKey,
        *,
        stage: str = "",
        attempt: int = 0,
        host: str = "",
        failed: bool = False,
        after: int = 0,
        limit: int = 1000,
    ) -> tuple[Recorded, ...]: ...  # by id
    def taken_in(self, key: RunKey, stage: str, attempt: int) -> int: ...  # highest sequence, 0
    def add_run_event(self, key: RunKey, event: RunEvent) -> None: ...
    def run_events(self, key: RunKey, *, after: int = 0) -> tuple[RunEvent, ...]: ...

    # requests to a driver
    def add_request(
        self, key: RunKey, kind: RequestKind, *, by: str, at: datetime, stage: str = ""
    ) -> None: ...
    def requests(self, key: RunKey, *, after: int = 0) -> tuple[Request, ...]: ...
    def forget_requests(self, key: RunKey) -> None: ...

    # environments
    def in_place(self, pipeline: str, environment: str) -> tuple[InPlace, ...]: ...
    def put_in_place(self, stage: InPlace) -> None: ...
    def take_out(self, pipeline: str, environment: str, stage: str) -> None: ...
    def backend(self, pipeline: str, environment: str) -> str | None: ...  # the recorded `state:`
    def record_backend(self, pipeline: str, environment: str, backend: str) -> None: ...
    def claimed(self, environment: str) -> bool: ...  # may a gated environment run here?

    # releases (files.snapshots makes them)
    def add_release(
        self,
        *,
        digest: str,
        name: str,
        at: datetime,
        body: Mapping[str, Json],  # commit, dirty, versions, files: path -> [mode, sha256]
        blobs: Mapping[str, bytes],  # sha256 -> content; those stored already may be left out
    ) -> None: ...
    def known_blobs(self, digests: Iterable[str]) -> frozenset[str]: ...
    def blob(self, digest: str) -> bytes: ...
    def release(self, digest_or_name: str) -> tuple[str, str, datetime, Mapping[str, Json]]: ...
    def releases(self, limit: int = 50) -> tuple[tuple[str, str, datetime], ...]: ...  # newest 1st

    # the record of acts; in the same transaction as the act
    def audit(
        self, *, actor: str, verb: str, subject: str, at: datetime, body: Mapping[str, Json]
    ) -> None: ...
    def audit_rows(self, limit: int = 100) -> tuple[Mapping[str, Json], ...]: ...


class Store(Protocol):
    """Who remembers. `folder` is the store's own folder on this machine."""

    @property
    def id(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    def write(self) -> AbstractContextManager[Transaction]:
        """A transaction that commits at the end; rolled back where the body raises.

        Raises StoreUnwritable (disk full, read-only, no answer) with nothing half-written.
        """
        ...

    def read(self) -> AbstractContextManager[Transaction]: ...


class Vault(Protocol):
    """Seals secret values for rest and opens them again (AES-256-GCM under the store's key)."""

    def seal(self, value: Json) -> str: ...
    def open(self, text: str) -> Json: ...  # raises SecretError
    def keyed_hash(self, value: Json) -> str:
        """HMAC-SHA256 over canonical JSON: equality without showing the value."""
        ...

    def derive(self, purpose: str) -> str:
        """A secret of the store's own for a purpose, the same at every call (HKDF)."""
        ...


class Redactor(Protocol):
    def add(self, value: str) -> None: ...
    def text(self, text: str) -> str: ...
    def json(self, value: Json) -> Json: ...
