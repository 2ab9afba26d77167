"""Which releases were made, and what is in them?"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, insert, select

from orchestrator.model.errors import ReleaseError
from orchestrator.model.values import Json
from orchestrator.store import records
from orchestrator.store.base import Part
from orchestrator.store.schema import table

RELEASES = table(records.ReleaseRecord)
BLOBS = table(records.BlobRecord)
_AT_ONCE = 500  # names per question: SQLite allows 32,766 parameters, and older ones 999
_SHORTEST = 6  # characters of a digest that may stand for the whole


class Releases(Part):
    def add_release(
        self,
        *,
        digest: str,
        name: str,
        at: datetime,
        body: Mapping[str, Json],
        blobs: Mapping[str, bytes],
    ) -> None:
        """Stored once by its digest: a second time changes nothing, not even the name.

        blobs: sha256 (hex) -> content; those stored already may be left out. Raises ReleaseError
        where the name is another release's, ValueError where a content has another sha256.
        """
        self._add_blobs(blobs)
        taken = self._row(select(RELEASES).where(self._my_releases(), RELEASES.c.name == name))
        if taken is not None and taken.digest != digest:
            raise ReleaseError(f"the name {name} is that of another release, {taken.digest[:12]}.")
        values = {
            "project": self._project,
            "digest": digest,
            "name": name,
            "at": at,
            "body": body,
        }
        self._add_once(RELEASES, ("project", "digest"), values)

    def known_blobs(self, digests: Iterable[str]) -> frozenset[str]:
        """Those of them that are stored."""
        wanted = sorted(set(digests))
        known: set[str] = set()
        for start in range(0, len(wanted), _AT_ONCE):
            some = BLOBS.c.digest.in_(wanted[start : start + _AT_ONCE])
            found = select(BLOBS.c.digest).where(BLOBS.c.project == self._project, some)
            known.update(row.digest for row in self._rows(found))
        return frozenset(known)

    def blob(self, digest: str) -> bytes:
        """Raises ReleaseError where it is not stored, or is not what its digest says."""
        here = (BLOBS.c.project == self._project, BLOBS.c.digest == digest)
        content = self._scalar(select(BLOBS.c.content).where(*here))
        if content is None:
            raise ReleaseError(f"the content {digest[:12]} is not in the store.")
        return _checked(digest, content)

    def release(self, digest_or_name: str) -> tuple[str, str, datetime, Mapping[str, Json]]:
        """(digest, name, at, body); the beginning of a digest will do where it is the only one.

        Raises ReleaseError naming the newest ones.
        """
        rows = self._rows(select(RELEASES).where(self._my_releases(), _named(digest_or_name)))
        if not rows and len(digest_or_name) >= _SHORTEST:
            begins = RELEASES.c.digest.startswith(digest_or_name, autoescape=True)
            rows = self._rows(select(RELEASES).where(self._my_releases(), begins).limit(2))
        if len(rows) != 1:
            raise self._unknown_release(digest_or_name, several=bool(rows))
        return _release(rows[0])

    def releases(self, limit: int = 50) -> tuple[tuple[str, str, datetime], ...]:
        """(digest, name, at), newest first."""
        columns = select(RELEASES.c.digest, RELEASES.c.name, RELEASES.c.at)
        found = columns.where(self._my_releases()).order_by(RELEASES.c.id.desc()).limit(limit)
        return tuple((row.digest, row.name, row.at) for row in self._rows(found))

    def _add_blobs(self, blobs: Mapping[str, bytes]) -> None:
        known = self.known_blobs(blobs)
        for digest, content in blobs.items():
            if digest in known:
                continue
            if sha256(content).hexdigest() != digest:
                raise ValueError(f"a content does not have the sha256 {digest}")
            values = {"project": self._project, "digest": digest, "content": zlib.compress(content)}
            self._change(insert(BLOBS), values)

    def _my_releases(self) -> Any:
        return RELEASES.c.project == self._project

    def _unknown_release(self, asked: str, *, several: bool) -> ReleaseError:
        if several:
            return ReleaseError(f"more than one release begins with {asked}.")
        newest = ", ".join(name for _, name, _ in self.releases(limit=3))
        known = f"The newest: {newest}." if newest else "None was made yet."
        return ReleaseError(f"there is no release {asked}. {known}")


def _named(digest_or_name: str) -> Any:
    return (RELEASES.c.digest == digest_or_name) | (RELEASES.c.name == digest_or_name)


def _release(row: Row[Any]) -> tuple[str, str, datetime, Mapping[str, Json]]:
    return row.digest, row.name, row.at, row.body


def _checked(digest: str, stored: bytes) -> bytes:
    try:
        content = zlib.decompress(stored)
    except zlib.error:
        content = None
    if content is None or sha256(content).hexdigest() != digest:
        raise ReleaseError(
            f"the content {digest[:12]} in the store is damaged.",
            holds="Nothing was done with it.",
            next="Restore the store from a backup.",
        )
    return content
