"""What lies in the database? One table per noun; `schema.py` says how it is made.

Every row belongs to a project (a PostgreSQL database may hold several), by its own column or
through its run. Natural names are unique; `id` is the order in which the store learned of a row.
Columns are for what is searched for; the rest is JSON (`columns.Body`). A project's writes follow
one another (`database.py`), so a reader who saw an id has seen every lower one of its project.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, PrimaryKeyConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from orchestrator.store.columns import BigNumber, Body, Moment, Words


class StoreRecord(SQLModel, table=True):
    """A project's store: its identity."""

    __tablename__ = "stores"

    project: str = Field(primary_key=True)
    store: str  # a random id, made once by `store init`
    protected: str  # the git ref that gates and access rules are read from; "" where none
    created_at: datetime = Field(sa_type=Moment)


class ClaimRecord(SQLModel, table=True):
    """A gated environment may run from this store."""

    __tablename__ = "claims"

    project: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    claimed_at: datetime = Field(sa_type=Moment)


class LeaseRecord(SQLModel, table=True):
    """One row per environment that was ever leased; it outlives the lease to keep the token."""

    __tablename__ = "leases"

    project: str = Field(primary_key=True)
    pipeline: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    token: int = Field(sa_type=BigNumber)
    held: bool
    owner: str = Field(sa_type=Words)
    purpose: str = Field(sa_type=Words)
    taken_at: datetime = Field(sa_type=Moment)
    machine: str | None = Field(default=None, sa_type=Words)
    until: datetime | None = Field(default=None, sa_type=Moment)
    beneath: Any = Field(default=None, sa_type=Body, nullable=True)  # the hold below it, or null


class TicketRecord(SQLModel, table=True):
    """A place in the queue for an environment; `id` is the order of coming."""

    __tablename__ = "tickets"
    __table_args__ = (Index("tickets_queue", "project", "pipeline", "environment", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigNumber)
    project: str
    pipeline: str
    environment: str
    owner: str = Field(sa_type=Words)
    machine: str = Field(sa_type=Words)
    purpose: str = Field(sa_type=Words)
    since: datetime = Field(sa_type=Moment)
    deadline: datetime = Field(sa_type=Moment)
    alive_until: datetime = Field(sa_type=Moment)


class CoveredRecord(SQLModel, table=True):
    """A host or stack that a held lease covers; it goes with the lease."""

    __tablename__ = "covered"

    project: str = Field(primary_key=True)
    thing: str = Field(primary_key=True)
    label: str = Field(sa_type=Words)
    pipeline: str
    environment: str


class RunRecord(SQLModel, table=True):
    """A run; `id` is its short name inside the database."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("project", "pipeline", "environment", "number", name="runs_key"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigNumber)
    project: str
    pipeline: str
    environment: str
    number: int
    action: str
    status: str
    release: str
    environment_digest: str
    requested_by: str = Field(sa_type=Words)
    started_at: datetime = Field(sa_type=Moment)
    ended_at: datetime | None = Field(default=None, sa_type=Moment)
    lease_token: int = Field(sa_type=BigNumber)
    reason: str = Field(sa_type=Words)
    selected: Any = Field(sa_type=Body)  # [text]
    definition: Any = Field(sa_type=Body)
    machine: str | None = Field(default=None, sa_type=Words)  # that drove it last


class StageRecord(SQLModel, table=True):
    """A stage run."""

    __tablename__ = "stages"

    run_id: int = Field(primary_key=True, foreign_key="runs.id", sa_type=BigNumber)
    stage: str = Field(primary_key=True)
    place: int  # in the pipeline
    kind: str
    status: str
    attempts: int
    started_at: datetime | None = Field(default=None, sa_type=Moment)
    ended_at: datetime | None = Field(default=None, sa_type=Moment)
    inputs_digest: str
    reason: str = Field(sa_type=Words)
    changes: Any = Field(sa_type=Body)
    outputs: Any = Field(sa_type=Body)  # secrets sealed
    failures: Any = Field(sa_type=Body)
    hosts: Any = Field(sa_type=Body)
    notes: Any = Field(sa_type=Body)


class EventRecord(SQLModel, table=True):
    """What was told while an attempt of a stage ran."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("run_id", "stage", "attempt", "sequence", name="events_once"),
        Index("events_host", "run_id", "host", "id"),
        Index("events_failed", "run_id", "failed", "id"),
        Index("events_run", "run_id", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigNumber)
    run_id: int = Field(foreign_key="runs.id", sa_type=BigNumber)
    stage: str
    attempt: int
    sequence: int
    at: datetime = Field(sa_type=Moment)
    type: str
    host: str = Field(sa_type=Words)
    failed: bool
    body: Any = Field(sa_type=Body)


class RunEventRecord(SQLModel, table=True):
    """A change of a run or of one of its stages."""

    __tablename__ = "run_events"
    __table_args__ = (Index("run_events_run", "run_id", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigNumber)
    run_id: int = Field(foreign_key="runs.id", sa_type=BigNumber)
    run: str  # its name as it was told
    type: str
    stage: str
    at: datetime = Field(sa_type=Moment)
    body: Any = Field(sa_type=Body)


class RequestRecord(SQLModel, table=True):
    """What another command asks the driver of a run."""

    __tablename__ = "requests"
    __table_args__ = (Index("requests_run", "run_id", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigNumber)
    run_id: int = Field(foreign_key="runs.id", sa_type=BigNumber)
    kind: str
    stage: str
    requested_by: str = Field(sa_type=Words)
    at: datetime = Field(sa_type=Moment)


class InPlaceRecord(SQLModel, table=True):
    """What stands in an environment, stage by stage."""

    __tablename__ = "in_place"

    project: str = Field(primary_key=True)
    pipeline: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    stage: str = Field(primary_key=True)
    run_id: int = Field(foreign_key="runs.id", sa_type=BigNumber)
    release: str
    inputs_digest: str
    outputs: Any = Field(sa_type=Body)  # secrets sealed
    at: datetime = Field(sa_type=Moment)


class BackendRecord(SQLModel, table=True):
    """Where the states of an environment's stacks were first put: its recorded `state:`."""

    __tablename__ = "backends"

    project: str = Field(primary_key=True)
    pipeline: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    backend: str


class ReleaseRecord(SQLModel, table=True):
    """A release; its files lie in `blobs`."""

    __tablename__ = "releases"
    __table_args__ = (
        UniqueConstraint("project", "digest", name="releases_digest"),
        UniqueConstraint("project", "name", name="releases_name"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigNumber)
    project: str
    digest: str
    name: str
    at: datetime = Field(sa_type=Moment)
    body: Any = Field(sa_type=Body)


class BlobRecord(SQLModel, table=True):
    """A file's content, compressed by zlib, under the sha256 of the uncompressed content."""

    __tablename__ = "blobs"

    project: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)


class StackRecord(SQLModel, table=True):
    """A stack whose state lies here. A removed one keeps its row, its key and its versions."""

    __tablename__ = "stacks"

    project: str = Field(primary_key=True)
    program: str = Field(primary_key=True)  # the Pulumi project's name
    stack: str = Field(primary_key=True)
    pipeline: str
    environment: str
    version: int = Field(sa_type=BigNumber)
    key: str  # sealed
    tags: Any = Field(sa_type=Body)
    active: Any = Field(sa_type=Body)  # the update under way, or null
    changed_at: datetime = Field(sa_type=Moment)
    removed_at: datetime | None = Field(default=None, sa_type=Moment)


class StackVersionRecord(SQLModel, table=True):
    """One update of a stack; its state lies in `deployments` under `digest`, "" where none."""

    __tablename__ = "stack_versions"
    __table_args__ = (Index("stack_versions_digest", "project", "digest"),)

    project: str = Field(primary_key=True)
    program: str = Field(primary_key=True)
    stack: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=BigNumber)
    kind: str
    result: str
    run: str
    stage: str
    attempt: int
    token: int = Field(sa_type=BigNumber)
    digest: str
    resources: int
    pending: int
    at: datetime = Field(sa_type=Moment)
    ended_at: datetime | None = Field(default=None, sa_type=Moment)


class StackJournalRecord(SQLModel, table=True):
    """Entries of an update under way, compressed by zlib; folded into the state at its end."""

    __tablename__ = "stack_journals"

    project: str = Field(primary_key=True)
    program: str = Field(primary_key=True)
    stack: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=BigNumber)
    first: int = Field(primary_key=True, sa_type=BigNumber)  # number of the first entry
    content: bytes = Field(sa_type=LargeBinary)


class DeploymentRecord(SQLModel, table=True):
    """A whole state, compressed by zlib, under the sha256 of the uncompressed content."""

    __tablename__ = "deployments"

    project: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)


class AuditRecord(SQLModel, table=True):
    """An act. Triggers refuse every change, removal, and number out of turn (`triggers.py`)."""

    __tablename__ = "audit"

    project: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigNumber)  # 1, 2, 3 … within the project
    at: datetime = Field(sa_type=Moment)
    actor: str = Field(sa_type=Words)
    verb: str
    subject: str = Field(sa_type=Words)
    body: Any = Field(sa_type=Body)


class RevisionRecord(SQLModel, table=True):
    """Alembic's own table: which revision of the schema this database has."""

    __tablename__ = "alembic_version"
    __table_args__ = (PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),)

    version_num: str = Field(primary_key=True, max_length=32)
