"""What does an attempt leave on the disk, and what does that prove?

work.json      the order, secrets sealed; written before anything starts
attempt.lock   held by the attempt process for as long as it lives
tool.lock      inherited by its tool as well
started        exists once an executor may have been called
events.ndjson  the spool: redacted events, appended
cancel         written by the driver: "cancelled" or "kill"
result.json    the answer: whole or absent
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from orchestrator.attempts.locks import is_held
from orchestrator.model.definitions import StageKind
from orchestrator.model.values import Json

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Proof(Enum):
    """What the folder of an attempt proves about it."""

    LIVING = "living"  # its process holds its lock
    ENDED = "ended"  # a result is there
    ORPHANED = "orphaned"  # the process is gone, its tool lives on
    GONE = "gone"  # nothing lives, and there is no result: nobody knows what happened
    NEVER_STARTED = "never started"  # nothing lives and no executor was ever called


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    """The folder of one attempt."""

    path: Path

    @classmethod
    def made(cls, path: Path, work: Json) -> AttemptFolder:
        """A fresh 0700 folder holding the order. What an earlier, never started try left goes."""
        if path.exists():
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.mkdir(mode=0o700)
        folder = cls(path)
        # Needs no fsync: a machine that loses its power before `started` is there starts anew.
        with open(os.open(folder.work, _NEW, 0o600), "w", encoding="utf-8") as file:
            file.write(json.dumps(work))
        return folder

    @property
    def work(self) -> Path:
        return self.path / "work.json"

    @property
    def lock(self) -> Path:
        return self.path / "attempt.lock"

    @property
    def tool_lock(self) -> Path:
        return self.path / "tool.lock"

    @property
    def started(self) -> Path:
        return self.path / "started"

    @property
    def spool(self) -> Path:
        return self.path / "events.ndjson"

    @property
    def cancel(self) -> Path:
        return self.path / "cancel"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def private(self) -> Path:
        """Where executors work; may hold opened secrets, so it never outlives the attempt."""
        return self.path / "private"

    def proof(self) -> Proof:
        """What is true now. The lock is asked first, for a result may come meanwhile."""
        if is_held(self.lock):
            return Proof.LIVING
        if self.result.exists():
            return Proof.ENDED
        if is_held(self.tool_lock):
            return Proof.ORPHANED
        return Proof.GONE if self.started.exists() else Proof.NEVER_STARTED

    def kind(self) -> StageKind:
        """Of the stage, read without opening anything secret."""
        return StageKind(json.loads(self.work.read_text(encoding="utf-8"))["kind"])

    def backend(self) -> str:
        """Where the state of its stack lies; "" where it has none, or the order is unreadable."""
        try:
            stack = json.loads(self.work.read_text(encoding="utf-8")).get("stack") or {}
        except (OSError, ValueError):
            return ""  # the attempt itself says so
        return str(stack.get("backend") or "")

    def mark_started(self) -> None:
        """From now on nobody may take it that nothing happened, also after a loss of power."""
        self.started.touch(mode=0o600)
        _sync_folder(self.path)

    def answer(self) -> Mapping[str, Json] | None:
        """The result, or None where there is none."""
        try:
            answer: Mapping[str, Json] = json.loads(self.result.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return answer

    def ask_cancel(self, how: str) -> None:
        """The attempt will see that it shall stop ("cancelled") or end at once ("kill").

        Whoever asked it to end at once is not taken back by one who asks politely.
        """
        if self.path.exists() and (how == "kill" or not self.cancel.exists()):
            write_whole(self.cancel, how)

    def remove(self) -> None:
        """The folder is gone. Only once its result is recorded or it is proven lost."""
        shutil.rmtree(self.path, ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """The file holds the text, or is as it was: temp, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
