"""How does a folder come to be whole or not at all? Built beside its place, renamed at the end."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.model.errors import Refused, StoreUnwritable
from orchestrator.store import folders
from orchestrator.store.identity import shown
from orchestrator.store.store import StoreInfo


@contextmanager
def built(folder: Path, info: StoreInfo, url: str) -> Iterator[Path]:
    """A draft of the folder, moved to its place at the end, or gone where the body raises."""
    draft = _made(folder)
    try:
        for name in folders.FOLDERS:
            (draft / name).mkdir(mode=folders.PRIVATE)
        told = {"store": info.id, "project": info.project, "url": shown(url)}
        _write(draft / folders.ABOUT, json.dumps(told, indent=2) + "\n")
        yield draft
        if draft.exists():
            move(draft, folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise Refused(
                f"another process has just made {folder}. Run the command again."
            ) from error
        raise StoreUnwritable(
            f"{folder} cannot be made ({error.strerror or error}).", holds="Nothing was created."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _made(folder: Path) -> Path:
    try:
        folder.parent.mkdir(mode=folders.PRIVATE, parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise StoreUnwritable(
            f"{folder} cannot be made ({error.strerror or error}).",
            holds="Nothing was created.",
            next="Make its parent writable, or set ORCHESTRATOR_STATE to another folder.",
        ) from error


def move(draft: Path, folder: Path) -> None:
    draft.rename(folder)
    handle = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
