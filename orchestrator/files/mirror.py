"""How does a folder come to hold exactly the files of a release, fast, and nothing else?

A manifest beside the folder says what was written and how each file looked then (times, size,
inode). A file is left alone where its wanted content is the one of the manifest and it still looks
like that; every other one is written anew. So whatever was interrupted, running again repairs it,
and a folder that is as wanted costs one look at each file.

Nothing outside the folder is ever touched: it is walked by descriptors, and no link is followed.
`__pycache__` in folders of the release is left alone, everything else that is not wanted goes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.files.tree import FILE, LINK, PROGRAM, replace_text
from orchestrator.model.errors import ReleaseError

KEPT = frozenset({"__pycache__"})
Wanted = Mapping[str, tuple[str, str]]  # path -> (mode, sha256)
Contents = Callable[[str], bytes]  # by sha256
_Tree = dict[str, Any]  # name -> _Tree or (path, mode, sha256)
_OUTSIDE = re.compile(r"(?:^|/)(?:\.{0,2}|\.git)(?:/|\Z)|\0")  # a part that is empty, ., .. or .git
_MODES = {FILE: 0o644, PROGRAM: 0o755}


def mirror(folder: Path, wanted: Wanted, contents: Contents) -> int:
    """The folder holds exactly the wanted files. Returns how many had to be written.

    contents: asked only for what is not there yet. Raises ReleaseError for paths that lead outside
    and where the folder cannot be written; what was written so far stays, and helps the next call.
    """
    tree = _tree_of(wanted)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(folder):
            return _mirror(folder, tree, contents)
    except OSError as error:
        raise ReleaseError(
            f"the files of the release cannot be written below {folder}:"
            f" {error.strerror} ({error.filename})",
            next="Mend that and run the command again; it goes on where it stopped.",
        ) from error


@dataclass(slots=True)
class _Writing:
    contents: Contents
    known: Mapping[str, list[Any]]  # path -> [mode, sha256, *how it looked]
    seen: dict[str, list[Any]] = field(default_factory=dict)
    written: int = 0


def _mirror(folder: Path, tree: _Tree, contents: Contents) -> int:
    manifest = folder.with_name(f".{folder.name}.manifest.json")
    writing = _Writing(contents, _read_manifest(manifest))
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _fill(root, tree, writing)
    except BaseException:
        replace_text(manifest, json.dumps({**writing.known, **writing.seen}))
        raise
    finally:
        os.close(root)
    if writing.seen != writing.known:
        replace_text(manifest, json.dumps(writing.seen))
    return writing.written


def _fill(folder: int, tree: _Tree, writing: _Writing) -> None:
    present = _present(folder)
    for name in present.keys() - tree.keys():
        if name not in KEPT:
            _remove(folder, name, present[name])
    for name, item in tree.items():
        state = present.get(name)
        if isinstance(item, dict):
            _enter(folder, name, state, item, writing)
        else:
            _put(folder, name, state, item, writing)


def _enter(
    folder: int, name: str, state: os.stat_result | None, tree: _Tree, writing: _Writing
) -> None:
    if state is not None and not stat.S_ISDIR(state.st_mode):
        _remove(folder, name, state)
        state = None
    if state is None:
        os.mkdir(name, 0o755, dir_fd=folder)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    inner = os.open(name, flags, dir_fd=folder)
    try:
        _fill(inner, tree, writing)
    finally:
        os.close(inner)


def _put(
    folder: int,
    name: str,
    state: os.stat_result | None,
    item: tuple[str, str, str],
    writing: _Writing,
) -> None:
    path, mode, digest = item
    if state is not None:
        known = [mode, digest, *_look(state)]
        if writing.known.get(path) == known:
            writing.seen[path] = known
            return
        if stat.S_ISDIR(state.st_mode):
            _remove(folder, name, state)
    content = writing.contents(digest)
    if hashlib.sha256(content).hexdigest() != digest:
        raise ReleaseError(f"the stored content of {path} is not what its release says")
    _write(folder, name, mode, content)
    now = os.stat(name, dir_fd=folder, follow_symlinks=False)
    writing.seen[path] = [mode, digest, *_look(now)]
    writing.written += 1


def _write(folder: int, name: str, mode: str, content: bytes) -> None:
    """Under another name first: a reader sees the old file or the new one, never half of it."""
    temporary = f".{secrets.token_hex(8)}.new"
    try:
        if mode == LINK:
            os.symlink(content, os.fsencode(temporary), dir_fd=folder)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
            with open(descriptor, "wb") as file:
                file.write(content)
                os.fchmod(descriptor, _MODES[mode])  # not through the umask
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        _remove_if_there(folder, temporary)
        raise


def _present(folder: int) -> dict[str, os.stat_result]:
    with os.scandir(folder) as found:
        return {entry.name: entry.stat(follow_symlinks=False) for entry in found}


def _remove(folder: int, name: str, state: os.stat_result) -> None:
    if stat.S_ISDIR(state.st_mode):
        shutil.rmtree(name, dir_fd=folder)  # follows no link (shutil.rmtree.avoids_symlink_attacks)
    else:
        os.unlink(name, dir_fd=folder)


def _remove_if_there(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def _look(state: os.stat_result) -> list[int]:
    """What changes when a file does: mode and times are set by nobody without a new ctime."""
    return [state.st_mode, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]


def _tree_of(wanted: Wanted) -> _Tree:
    tree: _Tree = {}
    for path, (mode, digest) in wanted.items():
        *folders, name = path.split("/")
        if _OUTSIDE.search(path):
            raise ReleaseError(f"the release names a file outside of it: {path!r}")
        if mode not in (*_MODES, LINK):
            raise ReleaseError(f"the release gives {path!r} the unknown mode {mode!r}")
        inner = tree
        for folder in folders:
            inner = inner.setdefault(folder, {})
            if not isinstance(inner, dict):
                raise ReleaseError(f"the release holds a file where {path!r} needs a folder")
        if name in inner:
            raise ReleaseError(f"the release holds both a file and a folder {path!r}")
        inner[name] = (path, mode, digest)
    return tree


def _read_manifest(manifest: Path) -> Mapping[str, list[Any]]:
    try:
        known = json.loads(manifest.read_bytes())
    except (OSError, ValueError):
        return {}  # everything is written anew
    return known if isinstance(known, dict) else {}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else mirrors into this folder meanwhile; the lock file stays for the next one."""
    lock = folder.with_name(f".{folder.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
