"""Where does an attempt keep what only Ansible needs, and only while it runs?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.model.work import Work

LONGEST_SOCKET_FOLDER = 75  # bytes; ssh adds 28 to the folder, a socket's path ends at 107


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """All 0700, new for each attempt, gone afterwards. Nothing an earlier attempt left is read."""

    private: Path  # inventories, variables, keys, configuration
    runner: Path  # ansible-runner's private_data_dir
    temporary: Path  # TMPDIR and local_tmp
    sockets: Path  # of ssh masters and of the vault; short


@contextmanager
def private_folders(work: Work) -> Iterator[Folders]:
    """Makes them below the attempt's own folder, and takes them away however the body ends."""
    made: list[Path] = []
    try:
        private = Path(tempfile.mkdtemp(prefix="ansible-", dir=work.folder))
        made.append(private)
        sockets = private / "s"
        if len(bytes(sockets)) > LONGEST_SOCKET_FOLDER:
            sockets = Path(tempfile.mkdtemp(prefix="ansible-", dir="/tmp"))
            made.append(sockets)
        folders = Folders(
            private=private,
            runner=private / "runner",
            temporary=private / "tmp",
            sockets=sockets,
        )
        for folder in (folders.runner, folders.temporary, folders.sockets):
            folder.mkdir(mode=0o700, exist_ok=True)
        yield folders
    finally:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
