"""What exactly is a release? All files git tracks but inventories/ and policies/, and versions.

What the user sees is what runs: contents come from the working tree, and files that git neither
tracks nor ignores are in it too. Such a release is marked dirty, and the mark is part of its
digest: once the same files are committed, they make another, clean release.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from orchestrator.files import git, pins
from orchestrator.files.mirror import mirror
from orchestrator.files.tree import (
    IGNORED,
    LINK,
    Entry,
    Hashes,
    Unreadable,
    digest_of,
    paths_not_under_links,
    read_file,
    shown,
    walk,
)
from orchestrator.model.errors import NotFound, ReleaseError
from orchestrator.model.values import Json
from orchestrator.ports import Transaction

LEFT_OUT = ("inventories/", "policies/")
_FORMAT = 1
_SHOWN = 30  # problems listed; an error that scrolls away helps nobody


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
    cache: Path | None = None,
) -> Snapshot:
    """The release the working tree stands for now.

    versions: of every tool, plugin and collection. artifacts: name -> path below the root. cache: a
    folder that remembers hashes. Raises ReleaseError with all problems at once, ToolError where git
    does not answer.
    """
    root = root.absolute()
    look = _look(root)
    files, problems = _hashed(root, look.paths, cache)
    problems += _link_problems(root, files)
    problems += _pin_problems(root, files)
    frozen, missing = _frozen_artifacts(files, artifacts)
    problems += missing
    if problems:
        raise _failure(problems)
    return Snapshot(
        digest=_digest(files, versions, dirty=bool(look.why_dirty)),
        commit=look.commit,
        dirty=bool(look.why_dirty),
        why_dirty=look.why_dirty,
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


@dataclass(frozen=True, slots=True)
class _Look:
    paths: tuple[str, ...]
    commit: str
    why_dirty: str


@dataclass(slots=True)
class _Listed:
    paths: set[str] = field(default_factory=set)
    untracked: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)  # from git status
    problems: list[str] = field(default_factory=list)


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


def _look(root: Path) -> _Look:
    if git.toplevel(root) is not None:
        repository = git.Repository(root)
        listed = _Listed()
        _list(repository, "", listed)
        if listed.problems:
            raise _failure(listed.problems)
        if listed.paths:  # none: an outer repository ignores the whole project
            commit = repository.head()
            why_dirty = _why_dirty(repository, commit, listed)
            return _Look(_in_release(root, listed.paths), commit, why_dirty)
    return _Look(_in_release(root, set(_walked(root))), "", "no git")


def _why_dirty(repository: git.Repository, commit: str, listed: _Listed) -> str:
    if not commit:
        return "nothing is committed yet"
    changed = [path for path in repository.changed() if not path.startswith(LEFT_OUT)]
    reasons = (
        _reason("is not tracked by git", "are not tracked by git", listed.untracked),
        _reason("differs from the commit", "differ from the commit", changed),
        _reason("is hidden from git status", "are hidden from git status", listed.hidden),
    )
    return "; ".join(filter(None, reasons))


def _list(repository: git.Repository, prefix: str, listed: _Listed) -> None:
    """Adds all paths of a repository, and of its submodules and whatever repositories lie in it."""
    inner: list[str] = []
    for path, entry in repository.tracked().items():
        if entry.mode == git.SUBMODULE:
            inner.append(path)
        elif _belongs(prefix + path):
            listed.paths.add(prefix + path)
            if entry.hidden:
                listed.hidden.append(prefix + path)
    for path in repository.untracked():
        if not _belongs(prefix + path):
            continue
        listed.untracked.append(prefix + path)
        if path.endswith("/"):
            inner.append(path.rstrip("/"))
        else:
            listed.paths.add(prefix + path)
    for path in inner:
        _list_inner(repository, path, prefix, listed)


def _list_inner(repository: git.Repository, path: str, prefix: str, listed: _Listed) -> None:
    if not _belongs(prefix + path):
        return
    if (repository.root / path / ".git").exists():
        _list(git.Repository(repository.root / path), f"{prefix}{path}/", listed)
        return
    listed.problems.append(
        f"{prefix}{path} is a submodule that is not checked out;"
        " run: git submodule update --init --recursive"
    )


def _belongs(path: str) -> bool:
    return not path.startswith(LEFT_OUT) and IGNORED.isdisjoint(path.rstrip("/").split("/"))


def _walked(root: Path) -> Iterator[str]:
    try:
        yield from walk(root)
    except OSError as error:
        raise ReleaseError(
            f"a release cannot be made: {error.filename} cannot be read: {error.strerror}"
        ) from error


def _in_release(root: Path, paths: set[str]) -> tuple[str, ...]:
    kept = sorted(path for path in paths if not path.startswith(LEFT_OUT))
    return tuple(paths_not_under_links(root, kept))


def _reason(one: str, many: str, paths: list[str]) -> str:
    if not paths:
        return ""
    names = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return f"{names} {one if len(paths) == 1 else many}"


def _hashed(
    root: Path, paths: tuple[str, ...], cache: Path | None
) -> tuple[dict[str, Entry], list[str]]:
    hashes = Hashes(root, cache)
    files: dict[str, Entry] = {}
    problems: list[str] = []
    for path in paths:
        try:
            _check_name(path)
            entry = hashes.entry(path)
        except Unreadable as error:
            problems.append(f"{os.fsencode(path).decode(errors='replace')} {error}")
            continue
        if entry is not None:  # deleted in the working tree: not part of what the user sees
            files[path] = entry
    hashes.save()
    return files, problems


def _check_name(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise Unreadable("has a name that is not UTF-8") from None


def _link_problems(root: Path, files: Mapping[str, Entry]) -> list[str]:
    """Links that would lead elsewhere, or nowhere, in a copy of the release."""
    links = [path for path, entry in files.items() if entry.mode == LINK]
    if not links:
        return []
    inside = Path(os.path.realpath(root))
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    problems: list[str] = []
    for path in links:
        target = os.readlink(root / path)
        lexical = os.path.normpath(os.path.join(os.path.dirname(path), target))
        real = Path(os.path.realpath(root / path))
        if os.path.isabs(target) or lexical.split("/")[0] == ".." or not _is_below(real, inside):
            problems.append(f"{path} is a link that leaves the project: {target}")
            continue
        name = real.relative_to(inside).as_posix()
        if real.exists() and name not in files and name not in folders:
            problems.append(f"{path} is a link to {name}, which is not part of a release")
    return problems


def _is_below(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _pin_problems(root: Path, files: Mapping[str, Entry]) -> list[str]:
    contents: dict[str, bytes] = {}
    for path in pins.files_with_pins(files):
        if files[path].mode != LINK:
            contents[path] = read_file(root, path)
    return list(pins.unpinned(contents))


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


def _failure(problems: list[str]) -> ReleaseError:
    lines = problems[:_SHOWN]
    if len(problems) > _SHOWN:
        lines.append(f"… and {len(problems) - _SHOWN} more")
    listed = "".join(f"\n  - {line}" for line in lines)
    return ReleaseError(f"a release of this project cannot be made:{listed}")


def _changed(path: str) -> ReleaseError:
    return ReleaseError(
        f"{path} changed while the release was being made.",
        holds="Nothing was stored.",
        next="Run the command again.",
    )
