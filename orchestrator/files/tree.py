"""Which files lie below a folder, and what is in them? Paths, modes, hashes; no link is followed.

Hashes are remembered by path, size, inode and times, so that a second look at unchanged files reads
none of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import rfc8785

from orchestrator.model.values import Json

FILE, PROGRAM, LINK = "100644", "100755", "120000"
IGNORED = frozenset({".git", ".venv", "node_modules", "__pycache__"})
LARGEST = 256 * 1024 * 1024  # bytes of one file
_SETTLED = 2_000_000_000  # ns; a file changed just now may change again within one tick


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a release or an environment."""

    mode: str  # FILE, PROGRAM or LINK
    sha256: str  # of a link: of its target's text
    size: int


class Unreadable(Exception):
    """Why a path cannot be taken: for the list of all problems."""


class Hashes:
    """What is known of files hashed before; kept in one JSON file of a cache folder."""

    def __init__(self, root: Path, cache: Path | None) -> None:
        self._root = root
        self._known: dict[str, list[Json]] = {}
        self._new: dict[str, list[Json]] = {}
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
        self._file = cache / f"hashes-{name}.json" if cache else None
        if self._file:
            self._known = _read_hashes(self._file)

    def entry(self, path: str) -> Entry | None:
        """A file below the root, or None where there is none. Raises Unreadable."""
        full = os.path.join(self._root, path)  # half the time of a Path, per file
        try:
            state = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unreadable(error.strerror) from error
        if stat.S_ISLNK(state.st_mode):
            target = os.fsencode(os.readlink(full))
            return Entry(LINK, hashlib.sha256(target).hexdigest(), len(target))
        if not stat.S_ISREG(state.st_mode):
            raise Unreadable(f"is {_kind(state.st_mode)}, which a release cannot hold")
        mode = PROGRAM if state.st_mode & 0o100 else FILE
        return Entry(mode, self._hash(path, state), state.st_size)

    def save(self) -> None:
        """Remember for the next time; silently not, where the cache cannot be written."""
        if self._file is None or self._new == self._known:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_text(self._file, json.dumps(self._new))
        except OSError:
            return  # a cache only saves time

    def _hash(self, path: str, state: os.stat_result) -> str:
        mark: list[Json] = [state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino]
        known = self._known.get(path)
        if known is not None and known[:4] == mark:
            self._new[path] = known
            return str(known[4])
        digest = hashlib.sha256(read_file(self._root, path)).hexdigest()
        if time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) > _SETTLED:
            self._new[path] = [*mark, digest]
        return digest


def read_file(root: Path, path: str) -> bytes:
    """The bytes of a regular file or the target of a link. Raises Unreadable."""
    full = root / path
    try:
        if full.is_symlink():
            return os.fsencode(os.readlink(full))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(full, flags), "rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise Unreadable(f"is larger than {LARGEST // 1024 // 1024} MiB")
            return file.read()
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error


def check_name(path: str) -> None:
    """Raises Unreadable where a name has no place in JSON."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise Unreadable("has a name that is not UTF-8") from None


def walk(root: Path, start: str = "") -> Iterator[str]:
    """Every file, link and special file below, without IGNORED names, relative to the root."""
    with os.scandir(root / start) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = f"{start}/{entry.name}" if start else entry.name
        if entry.name in IGNORED:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from walk(root, path)
        else:
            yield path


def paths_not_under_links(root: Path, paths: Iterable[str]) -> Iterator[str]:
    """The paths no folder of which is a link: what lies behind one belongs elsewhere."""
    judged: dict[str, bool] = {"": True}

    def real(folder: str) -> bool:
        if folder not in judged:
            parent = folder.rpartition("/")[0]
            judged[folder] = real(parent) and not (root / folder).is_symlink()
        return judged[folder]

    return (path for path in paths if real(path.rpartition("/")[0]))


def digest_of(body: Mapping[str, Json]) -> str:
    """sha256 over RFC 8785 JSON, in hex."""
    return hashlib.sha256(rfc8785.dumps(dict(body))).hexdigest()


def shown(files: Mapping[str, Entry]) -> dict[str, Json]:
    """As digests and records hold files: path -> [mode, sha256], sorted."""
    return {path: [files[path].mode, files[path].sha256] for path in sorted(files)}


def replace_text(path: Path, text: str) -> None:
    """The file holds the text, whole, whatever happens on the way."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _read_hashes(file: Path) -> dict[str, list[Json]]:
    try:
        known = json.loads(file.read_bytes())
        return {p: v for p, v in known.items() if isinstance(v, list) and len(v) == 5}
    except (OSError, ValueError, AttributeError):
        return {}  # a damaged cache is no cache


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"
