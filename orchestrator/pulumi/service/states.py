"""What do all calls of one operation share? The store, the lease they write under, the updates.

Whatever is written goes through here, so that a refused write is remembered: once the store has
refused one, nobody can know any more what the CLI did in the world meanwhile.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.model.errors import Fenced, NotFound, OrchestratorError, Refused
from orchestrator.model.stacks import Deployment, Stack, StackName, StackUpdate, Writer
from orchestrator.ports import Store, Vault
from orchestrator.pulumi.service.cipher import StackCipher
from orchestrator.pulumi.service.deployments import renamed, taken_in
from orchestrator.pulumi.service.entries import Batch
from orchestrator.pulumi.service.integrity import BrokenDeployment, check

_KEPT = "It was kept all the same, for what Pulumi did has happened."
_MEND = (
    "Mend it under a hold (orchestrator stack shell ENV STAGE -- pulumi state repair), or go back "
    "to an earlier version: orchestrator stack restore"
)
LASTS = timedelta(minutes=5)  # what the CLI asks for; it renews after half


@dataclass(slots=True, kw_only=True)
class Update:
    """One update or preview that the CLI began. status: as the API calls it."""

    name: StackName
    kind: str
    preview: bool
    record: StackUpdate
    version: int = 0
    status: str = "not started"


@dataclass(slots=True, kw_only=True)
class States:
    """refused: why the last write of an update failed; "" where it did not.

    only_looks: why nothing may be written; "" where it may.
    imagined: stacks that are answered as existing and empty though they are not there, for a
    preview.
    """

    store: Store
    vault: Vault
    writer: Writer
    now: Callable[[], datetime]
    token: str = field(repr=False)
    base: int | None = None
    url: str = ""
    only_looks: str = ""
    missing: dict[str, str] = field(default_factory=dict)
    fenced: bool = False
    updates: dict[str, Update] = field(default_factory=dict)
    imagined: dict[StackName, StackCipher] = field(default_factory=dict)
    _ciphers: dict[StackName, StackCipher] = field(default_factory=dict)

    @property
    def refused(self) -> str:
        """Why a write of an update failed; "" where none did."""
        return next(iter(self.missing.values()), "")

    def stack(self, name: StackName) -> Stack:
        """Raises NotFound in the words the CLI looks for."""
        with self.store.read() as tx:
            stack = tx.stack(name)
        if stack is not None:
            return stack
        if name in self.imagined:
            return self._empty(name)
        raise NotFound("Not Found: Stack not found")

    def cipher(self, name: StackName) -> StackCipher:
        """Raises NotFound; SecretError where the store's keys do not open the stack's."""
        if name in self.imagined:
            return self.imagined[name]
        if name not in self._ciphers:
            self._ciphers[name] = StackCipher.opened(self.stack(name).key, self.vault)
        return self._ciphers[name]

    def may_write(self) -> None:
        """Raises Refused where this service was made for looking."""
        if self.only_looks:
            raise Refused(self.only_looks, holds="Nothing was changed.")

    def make(self, name: StackName, tags: Mapping[str, str]) -> Stack:
        self.may_write()
        cipher = self.imagined.get(name) or self._coming(name)
        key = cipher.sealed(self.vault)
        with self.store.write() as tx:
            made = tx.make_stack(name, self.writer, key=key, tags=tags, at=self.now())
        self.imagined.pop(name, None)
        self._ciphers[name] = cipher
        return made

    def imagine(self, name: StackName) -> None:
        """From now on the stack is answered as empty; where it is made, its key is the same."""
        if name not in self.imagined:
            self.imagined[name] = self._coming(name)

    def remove(self, name: StackName) -> None:
        self.may_write()
        with self.store.write() as tx:
            tx.remove_stack(name, self.writer, self.now())
        self._ciphers.pop(name, None)

    def rename(self, name: StackName, new: StackName) -> None:
        """Its name in every URN of its state too, as one more version."""
        self.may_write()
        by, now = self.writer, self.now()
        record = StackUpdate(
            id=str(uuid.uuid4()), kind="rename", by=by, since=now, until=now + LASTS
        )
        with self.store.write() as tx:
            tx.rename_stack(name, by, new, now)
            content = tx.deployment(new)
            tx.begin_update(new, record, base=None)
            if content is not None:
                tx.save_deployment(new, record, renamed(content, name, new))
            tx.end_update(new, record, result="succeeded", at=now)
        self._ciphers.pop(name, None)

    def put(self, name: StackName, deployment: Deployment) -> Update:
        """One whole update that replaces the state."""
        self.may_write()
        update = self.created(name, "import", preview=False)
        with self.store.write() as tx:
            update.version = tx.begin_update(name, update.record, base=self.base)
            tx.save_deployment(name, update.record, deployment)
            tx.end_update(name, update.record, result="succeeded", at=self.now())
        self._went_to(update.version)
        update.status = "succeeded"
        return update

    def created(self, name: StackName, kind: str, *, preview: bool) -> Update:
        now = self.now()
        record = StackUpdate(
            id=str(uuid.uuid4()), kind=kind, by=self.writer, since=now, until=now + LASTS
        )
        update = Update(name=name, kind=kind, preview=preview, record=record)
        self.updates[record.id] = update
        return update

    def begin(self, update: Update, tags: Mapping[str, str]) -> None:
        """A preview begins nothing in the store."""
        if update.preview:
            update.version = self.stack(update.name).version
        else:
            self.may_write()
            now = self.now()
            update.record = replace(update.record, since=now, until=now + LASTS)
            with self.store.write() as tx:
                update.version = tx.begin_update(update.name, update.record, base=self.base)
                if tags:
                    tx.tag_stack(update.name, self.writer, tags)
            self._went_to(update.version)
        update.status = "running"

    def renew(self, update: Update) -> None:
        update.record = replace(update.record, until=self.now() + LASTS)
        if not update.preview:
            with self._guarded(), self.store.write() as tx:
                tx.renew_update(update.name, update.record)

    def save(self, update: Update, body: Mapping[str, Any], raw: bytes = b"") -> None:
        """body: version and deployment; raw: its bytes. Raises BrokenDeployment as well."""
        if update.preview:
            raise Refused("A preview saves no state.")
        with self._guarded():
            deployment = taken_in(body, raw=raw, url=self.url)
            with self.store.write() as tx:
                tx.save_deployment(update.name, update.record, deployment)

    def add(self, update: Update, batch: Batch) -> None:
        """Entries of the journal are kept."""
        if update.preview:
            raise Refused("A preview saves no state.")
        with self._guarded(f"entries from {batch.first}"), self.store.write() as tx:
            tx.add_entries(update.name, update.record, batch.first, batch.content)

    def end(self, update: Update, status: str) -> None:
        """Raises BrokenDeployment where what it left is not whole; it is kept all the same."""
        result = "succeeded" if status == "succeeded" and not self.missing else "failed"
        broken: BrokenDeployment | None = None
        if not update.preview and update.status == "running":
            with self._guarded(), self.store.write() as tx:
                broken = _broken(tx.deployment(update.name))
                result = "failed" if broken else result
                tx.end_update(update.name, update.record, result=result, at=self.now())
        update.status = result
        if broken is not None:
            raise broken

    def close(self) -> None:
        """Updates whose CLI is gone are over, if their lease is still good for it."""
        for update in self.updates.values():
            if update.status == "running":
                try:
                    self.end(update, "failed")
                except OrchestratorError:  # fenced out, or the store is away: a later lease ends it
                    update.status = "failed"

    def _went_to(self, version: int) -> None:
        """Our own act before the update (taking creates in) is part of what was asked for."""
        if self.base is not None:
            self.base = version

    def _guarded(self, what: str = "the state") -> _Guard:
        return _Guard(self, what)

    def _coming(self, name: StackName) -> StackCipher:
        """The cipher of a stack that is not there: its old one, if there ever was one."""
        with self.store.read() as tx:
            old = tx.stack_key(name)
        return StackCipher.opened(old, self.vault) if old else StackCipher.fresh()

    def _empty(self, name: StackName) -> Stack:
        return Stack(
            name=name,
            pipeline=self.writer.pipeline,
            environment=self.writer.environment,
            version=0,
            key="",
            changed_at=self.now(),
        )


@dataclass(frozen=True, slots=True)
class _Guard:
    """Remembers a write that failed, until the same is written after all.

    A whole state makes up for every earlier one; a batch of entries for itself only.
    """

    states: States
    what: str

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self.states.fenced:
            return
        self.states.fenced = isinstance(error, Fenced)
        if error is None:
            self.states.missing.pop(self.what, None)
        else:
            self.states.missing[self.what] = str(error)


def _broken(content: bytes | None) -> BrokenDeployment | None:
    body = json.loads(content) if content else None
    try:
        if body is not None:
            check(body.get("version"), body.get("deployment"))
    except BrokenDeployment as error:
        return BrokenDeployment(error.problems, holds=_KEPT, next=_MEND)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: what its path, query and body say."""

    states: States
    name: StackName
    update: str
    kind: str
    version: int
    query: Mapping[str, str]
    body: Mapping[str, Any]
    raw: bytes = field(default=b"", repr=False)
    agent: str = ""

    def the_update(self) -> Update:
        """Raises NotFound."""
        update = self.states.updates.get(self.update)
        if update is None or update.name != self.name:
            raise NotFound(f"There is no update {self.update} of the stack {self.name}.")
        return update
