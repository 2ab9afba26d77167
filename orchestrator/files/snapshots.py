"""What exactly is a release? All files git tracks but inventories/ and policies/, and versions.

What the user sees is what runs: contents come from the working tree, and files that git neither
tracks nor ignores are in it too. Such a release is marked dirty, and the mark is part of its
digest: once the same files are committed, they make another, clean release.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.files import pins
from orchestrator.files.mirror import mirror
from orchestrator.files.tree import (
    LINK,
    Entry,
    Hashes,
    Unreadable,
    check_name,
    digest_of,
    read_file,
    shown,
)
from orchestrator.files.working_tree import failure, link_problems, look
from orchestrator.model.errors import NotFound, ReleaseError
from orchestrator.model.values import Json
from orchestrator.ports import Transaction

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class FrozenArtifact:
    path: str  # relative to the project root
    digest: str  # over the files below it, by their names below it


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A release before it is stored."""

    digest: str
    commit: str  # empty without git, or before the first commit
    dirty: bool
    why_dirty: str  # "app/x.py differs from the commit, …"; empty where clean
    files: Mapping[str, Entry]
    versions: Mapping[str, str]
    artifacts: Mapping[str, FrozenArtifact] = field(default_factory=dict)


def take(
    root: Path,
    *,
    versions: Mapping[str, str],
    artifacts: Mapping[str, str],
    secret_files: Iterable[Path] = (),
    cache: Path | None = None,
) -> Snapshot:
    """The release the working tree stands for now.

    versions: of every tool, plugin and collection. artifacts: name -> path below the root.
    secret_files: what file:// locators name; none may be in a release, for its files are stored in
    clear. cache: a folder that remembers hashes. Raises ReleaseError with all problems at once,
    ToolError where git does not answer.
    """
    root = root.absolute()
    seen = look(root)
    files, problems = _hashed(root, seen.paths, cache)
    problems += link_problems(root, files)
    problems += _pin_problems(root, files)
    problems += _secret_problems(root, files, secret_files)
    frozen, missing = _frozen_artifacts(files, artifacts)
    problems += missing
    if problems:
        raise failure(problems)
    return Snapshot(
        digest=_digest(files, versions, dirty=bool(seen.why_dirty)),
        commit=seen.commit,
        dirty=bool(seen.why_dirty),
        why_dirty=seen.why_dirty,
        files=files,
        versions=dict(versions),
        artifacts=frozen,
    )


def store_release(
    snapshot: Snapshot, root: Path, transaction: Transaction, *, label: str, at: datetime
) -> str:
    """The name of the stored release: `<label>@2026.11.24-1`, or the one it had already.

    label: the pipeline's or project's name. Raises ReleaseError where a file changed since `take`.
    """
    try:
        return transaction.release(snapshot.digest)[1]
    except (ReleaseError, NotFound):
        name = _next_name(transaction, label, at)
    places = {entry.sha256: path for path, entry in snapshot.files.items()}
    for digest in transaction.known_blobs(places):
        del places[digest]
    blobs = _Contents(root.absolute(), places)
    transaction.add_release(
        digest=snapshot.digest, name=name, at=at, body=_body(snapshot), blobs=blobs
    )
    return name


def materialise(transaction: Transaction, digest: str, folder: Path) -> int:
    """The folder holds exactly the files of a stored release. Returns how many were written.

    See mirror for what is kept, removed and repaired. Raises ReleaseError.
    """
    files = transaction.release(digest)[3]["files"]
    if not isinstance(files, Mapping):
        raise ReleaseError(f"the stored release {digest[:12]} lists no files")
    wanted: dict[str, tuple[str, str]] = {}
    for path, entry in files.items():
        if not isinstance(entry, list) or len(entry) != 2:
            raise ReleaseError(
                f"the stored release {digest[:12]} describes {path!r} in no known way"
            )
        wanted[path] = (str(entry[0]), str(entry[1]))
    return mirror(folder, wanted, transaction.blob)


class _Contents(Mapping[str, bytes]):
    """sha256 -> bytes, each read when asked for: a large release needs little memory."""

    def __init__(self, root: Path, places: Mapping[str, str]) -> None:
        self._root = root
        self._places = places

    def __getitem__(self, digest: str) -> bytes:
        path = self._places[digest]
        try:
            content = read_file(self._root, path)
        except Unreadable as error:
            raise _changed(path) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise _changed(path)
        return content

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _hashed(
    root: Path, paths: tuple[str, ...], cache: Path | None
) -> tuple[dict[str, Entry], list[str]]:
    hashes = Hashes(root, cache)
    files: dict[str, Entry] = {}
    problems: list[str] = []
    for path in paths:
        try:
            check_name(path)
            entry = hashes.entry(path)
        except Unreadable as error:
            problems.append(f"{os.fsencode(path).decode(errors='replace')} {error}")
            continue
        if entry is not None:  # deleted in the working tree: not part of what the user sees
            files[path] = entry
    hashes.save()
    return files, problems


def _pin_problems(root: Path, files: Mapping[str, Entry]) -> list[str]:
    contents: dict[str, bytes] = {}
    for path in pins.files_with_pins(files):
        if files[path].mode == LINK:
            continue  # what it leads to is looked at under its own name
        try:
            contents[path] = read_file(root, path)
        except Unreadable as error:
            return [f"{path} {error}"]
    return list(pins.unpinned(contents))


def _secret_problems(
    root: Path, files: Mapping[str, Entry], secret_files: Iterable[Path]
) -> list[str]:
    inside = os.path.realpath(root)
    paths = (os.path.relpath(os.path.realpath(file), inside) for file in secret_files)
    return [
        f"{path} holds a secret, and a release is stored in clear;"
        " keep it outside of the project, or untracked and in .gitignore"
        for path in dict.fromkeys(paths)
        if path in files
    ]


def _frozen_artifacts(
    files: Mapping[str, Entry], artifacts: Mapping[str, str]
) -> tuple[dict[str, FrozenArtifact], list[str]]:
    frozen: dict[str, FrozenArtifact] = {}
    problems: list[str] = []
    for name, path in artifacts.items():
        clean = os.path.normpath(path)
        below = {
            p.removeprefix(clean).lstrip("/"): entry
            for p, entry in files.items()
            if clean == "." or p == clean or p.startswith(f"{clean}/")
        }
        if not below:
            problems.append(
                f"artifact '{name}' ({path}): no file of it is in the release;"
                " it is missing, empty, ignored by git, or below inventories/ or policies/"
            )
        frozen[name] = FrozenArtifact(clean, digest_of({"format": 1, "files": shown(below)}))
    return frozen, problems


def _digest(files: Mapping[str, Entry], versions: Mapping[str, str], *, dirty: bool) -> str:
    body: dict[str, Json] = {
        "format": _FORMAT,
        "files": shown(files),
        "versions": dict(versions),
    }
    return digest_of(body | {"dirty": True} if dirty else body)


def _body(snapshot: Snapshot) -> dict[str, Json]:
    artifacts: dict[str, Json] = {
        name: {"path": artifact.path, "digest": artifact.digest}
        for name, artifact in snapshot.artifacts.items()
    }
    return {
        "format": _FORMAT,
        "commit": snapshot.commit,
        "dirty": snapshot.dirty,
        "why_dirty": snapshot.why_dirty,
        "versions": dict(snapshot.versions),
        "artifacts": artifacts,
        "files": shown(snapshot.files),
    }


def _next_name(transaction: Transaction, label: str, at: datetime) -> str:
    start = f"{label}@{at.astimezone(UTC):%Y.%m.%d}-"
    names = (name for _, name, _ in transaction.releases(limit=10_000))
    counts = (name.removeprefix(start) for name in names if name.startswith(start))
    return f"{start}{max((int(n) for n in counts if n.isdecimal()), default=0) + 1}"


def _changed(path: str) -> ReleaseError:
    return ReleaseError(
        f"{path} changed while the release was being made.",
        holds="Nothing was stored.",
        next="Run the command again.",
    )
