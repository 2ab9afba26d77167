"""What is the state of a stack at a version? A whole content, and entries not folded in yet.

Contents are stored once, by their digest. While an update is under way its entries lie beside the
content it began with, as they came; whoever reads sees the state after them, and the update's end
folds them into a content of their own.
"""

from __future__ import annotations

import zlib
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy import update as update_rows

from orchestrator.core.journal import folded
from orchestrator.model.errors import StoreError
from orchestrator.model.stacks import Deployment, StackName
from orchestrator.store import records
from orchestrator.store.base import Part
from orchestrator.store.schema import table

VERSIONS = table(records.StackVersionRecord)
DEPLOYMENTS = table(records.DeploymentRecord)
JOURNALS = table(records.StackJournalRecord)
FAST = 1  # zlib's level: a deployment is written at every step of an update


class Contents(Part):
    def deployment(self, name: StackName, version: int = 0) -> bytes | None:
        """Raises StoreError where the stored content is not what its digest says."""
        at = (VERSIONS.c.version == version,) if version else ()
        here = (*self._named(VERSIONS, name), *at)
        columns = select(VERSIONS.c.version, VERSIONS.c.digest).where(*here)
        row = self._row(columns.order_by(VERSIONS.c.version.desc()).limit(1))
        if row is None:
            return None
        batches = self._batches(name, row.version)
        content = self._content(row.digest, name)
        return folded(content, batches).content if batches else content

    def _add_entries(self, name: StackName, version: int, first: int, batch: bytes) -> None:
        """Once, however often it is sent."""
        row = {
            "project": self._project,
            "program": name.project,
            "stack": name.name,
            "version": version,
            "first": first,
            "content": zlib.compress(batch, FAST),
        }
        self._add_once(JOURNALS, tuple(column.name for column in JOURNALS.primary_key), row)

    def _fold(self, name: StackName, version: int) -> None:
        """The version's entries are part of its content."""
        batches = self._batches(name, version)
        if batches:
            digest = self._scalar(
                select(VERSIONS.c.digest).where(*self._at(VERSIONS, name, version))
            )
            self._keep(name, version, folded(self._content(digest, name), batches))

    def _keep(self, name: StackName, version: int, deployment: Deployment) -> None:
        """It is the version's content, instead of what was."""
        digest = sha256(deployment.content).hexdigest()
        here = self._at(VERSIONS, name, version)
        before = self._scalar(select(VERSIONS.c.digest).where(*here))
        if before != digest:
            content = zlib.compress(deployment.content, FAST)
            row = {"project": self._project, "digest": digest, "content": content}
            self._add_once(DEPLOYMENTS, ("project", "digest"), row)
        counts = {"resources": deployment.resources, "pending": deployment.pending}
        self._change(update_rows(VERSIONS).where(*here), {"digest": digest} | counts)
        self._change(delete(JOURNALS).where(*self._at(JOURNALS, name, version)))
        if before != digest:
            self._drop_unused({before})

    def _drop_unused(self, digests: set[str]) -> None:
        """Contents that no version of any stack has any more are removed."""
        for digest in sorted(digests - {""}):
            used = (VERSIONS.c.project == self._project, VERSIONS.c.digest == digest)
            if self._row(select(VERSIONS.c.version).where(*used).limit(1)) is None:
                here = (DEPLOYMENTS.c.project == self._project, DEPLOYMENTS.c.digest == digest)
                self._change(delete(DEPLOYMENTS).where(*here))

    def _batches(self, name: StackName, version: int) -> list[bytes]:
        mine = select(JOURNALS.c.content).where(*self._at(JOURNALS, name, version))
        return [zlib.decompress(row.content) for row in self._rows(mine.order_by(JOURNALS.c.first))]

    def _content(self, digest: str, name: StackName) -> bytes | None:
        if not digest:
            return None
        kept = (DEPLOYMENTS.c.project == self._project, DEPLOYMENTS.c.digest == digest)
        content = self._scalar(select(DEPLOYMENTS.c.content).where(*kept))
        return _checked(content, digest, name)

    def _at(self, of: Any, name: StackName, version: int) -> tuple[Any, ...]:
        return (*self._named(of, name), of.c.version == version)

    def _named(self, of: Any, name: StackName) -> tuple[Any, ...]:
        return (
            of.c.project == self._project,
            of.c.program == name.project,
            of.c.stack == name.name,
        )


def _checked(stored: bytes | None, digest: str, name: StackName) -> bytes:
    try:
        content = zlib.decompress(stored) if stored is not None else b""
    except zlib.error:
        content = b""
    if sha256(content).hexdigest() != digest:
        raise StoreError(
            f"the state of the stack {name} in the store is damaged ({digest[:12]}).",
            holds="Nothing was done with it.",
            next="Restore the store from a backup.",
        )
    return content
