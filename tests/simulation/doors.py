"""What stands in for the world? Every door to clock, processes and files, and nothing else.

The core, the store, the services, and the folders, locks and spools of attempts are the real ones:
the store in memory, the folders on a file system in memory where there is one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from orchestrator.attempts import locks
from orchestrator.attempts.folder import AttemptFolder, Proof
from orchestrator.attempts.locks import FileLock
from orchestrator.model.errors import StoreUnwritable
from orchestrator.model.runs import Run
from orchestrator.ports import Transaction
from orchestrator.services import (
    driver,
    driving,
    interrupts,
    queueing,
    retrying,
    runs,
    sweeping,
    watched,
)
from orchestrator.services.sources import Sources
from orchestrator.store.store import DatabaseStore
from tests.simulation.attempts import hint_driver
from tests.simulation.kernel import BEGINNING, Kernel, Process

RELEASE = "a" * 64
STORE = "simulated"


class SimulatedStore:
    """One process's connections to the store. Every transaction has a boundary on each side."""

    def __init__(
        self,
        kernel: Kernel,
        store: DatabaseStore,
        folder: Path,
        committed: Callable[[Process | None], None],
    ) -> None:
        self._kernel = kernel
        self._store = store
        self._committed = committed
        self.id = STORE
        self.folder = folder

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with self._inside("read"), self._store.read() as tx:
            process = self._kernel.current
            if process is not None and self._kernel.is_cut(process.machine):
                raise _unwritable()
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Dies before the commit or after it; the database fails before or, worse, after it."""
        kernel, failing = self._kernel, self._fails()
        with self._inside("write"):
            with self._store.write() as tx:
                yield tx
                if failing == "before":
                    raise _unwritable()
            self._committed(kernel.current)
        if failing == "after":
            raise _unwritable()
        kernel.boundary("after a commit")

    def _fails(self) -> str:
        kernel = self._kernel
        if kernel.current is None or not kernel.faults:
            return ""
        if kernel.is_cut(kernel.current.machine):
            return "before"
        if not kernel.dice.one_in(kernel.mood.store):
            return ""
        when = kernel.dice.of(("before", "after"))
        kernel.trace(kernel.current.name, f"the database fails {when} the commit")
        return when

    @contextmanager
    def _inside(self, what: str) -> Iterator[None]:
        process = self._kernel.current
        self._kernel.boundary(f"before a {what}")
        if process is None:
            yield
            return
        process.inside += 1
        try:
            yield
        finally:
            process.inside -= 1


def _unwritable() -> StoreUnwritable:
    return StoreUnwritable("the database did not answer.")


class Clock:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def now(self) -> datetime:
        return self._kernel.now


class World:
    """What the doors lead to."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.end_tools: Callable[[str], None] = lambda _: None
        self.drives: Callable[[Process, str], None] = lambda *_: None


@contextmanager
def doors(world: World) -> Iterator[None]:
    """Meanwhile everything that asks the world asks this one."""
    kernel = world.kernel
    with ExitStack() as stack:
        for owner, name, stand_in in (
            (locks, "_PAUSES", (0.0,)),
            (FileLock, "taken", classmethod(_taken(kernel))),
            (FileLock, "close", _closed(kernel)),
            (AttemptFolder, "proof", _looked(kernel)),
            (AttemptFolder, "remove", _removed(kernel)),
            (AttemptFolder, "ask_cancel", _cancel_asked(kernel)),
            (driver, "Hints", lambda name: Ear(world, name)),
            (driver, "hint_name", str),
            (runs, "hint_name", str),
            (runs, "hint", lambda name: hint_driver(kernel, name)),
            (interrupts, "hint", lambda name: hint_driver(kernel, name)),
            (watched, "end_marked", _end_marked(world)),
            (sweeping, "end_marked", _end_marked(world)),
            (sweeping, "time", Naps(kernel)),
            (queueing, "time", Naps(kernel)),
            (runs, "prepared", _prepared),
            (driving, "settled", _settled(kernel)),
            (driving, "time", Naps(kernel)),
            (retrying, "same_environment", lambda *_: kernel.boundary("before a reopening")),
        ):
            stack.enter_context(patch.object(owner, name, stand_in))
        stack.enter_context(patch("orchestrator.attempts.spool.hint", lambda _: None))
        yield


class Ear:
    """A driver's ear: it wakes at a hint, or when its patience is over."""

    def __init__(self, world: World, name: str) -> None:
        process = world.kernel.current
        assert process is not None
        self._kernel, self._process, self._name = world.kernel, process, name
        world.drives(process, name)

    def wait(self, seconds: float) -> None:
        if self._process.dead:
            self._kernel.boundary("waiting")
        self._process.listens = self._name
        patient = seconds >= driver.LOOK_EVERY
        self._kernel.sleep(self._process, seconds, polls=patient)
        self._process.listens = ""
        self._kernel.boundary("before a look")

    def close(self) -> None:
        self._process.drives = ""


class Naps:
    """What stands in for `time` where somebody sleeps between two looks."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def monotonic(self) -> float:
        return (self._kernel.now - BEGINNING).total_seconds()

    def sleep(self, seconds: float) -> None:
        process = self._kernel.current
        assert process is not None
        self._kernel.sleep(process, seconds, polls=True)
        self._kernel.boundary("after a nap")


_take: Callable[..., FileLock | None] = FileLock.taken.__func__  # type: ignore[attr-defined]  # the function below the classmethod
_close, _remove, _ask = FileLock.close, AttemptFolder.remove, AttemptFolder.ask_cancel
_proof = AttemptFolder.proof


def _taken(kernel: Kernel) -> Callable[[type[FileLock], Path], FileLock | None]:
    """A process's locks are known, so that they are free when it is killed."""

    def taken(cls: type[FileLock], path: Path) -> FileLock | None:
        kernel.boundary("before a lock")
        lock = _take(cls, path)
        if lock is not None and kernel.current is not None:
            kernel.current.locks.append(lock)
        return lock

    return taken


def lock_of_nobody(path: Path) -> FileLock | None:
    """A lock that is no process's of ours."""
    return _take(FileLock, path)


def _closed(kernel: Kernel) -> Callable[[FileLock], None]:
    def close(lock: FileLock) -> None:
        process = kernel.current
        if process is not None and lock in process.locks:
            process.locks.remove(lock)
        _close(lock)

    return close


def _looked(kernel: Kernel) -> Callable[[AttemptFolder], Proof]:
    """Attempts go on between two looks at them."""

    def proof(folder: AttemptFolder) -> Proof:
        kernel.boundary("before a look at an attempt")
        return _proof(folder)

    return proof


def _removed(kernel: Kernel) -> Callable[[AttemptFolder], None]:
    """Whoever dies at it leaves a part of the folder."""

    def remove(folder: AttemptFolder) -> None:
        kernel.boundary("before a removal")
        process = kernel.current
        if process is not None and process.dead:
            return
        if kernel.faults and kernel.dice.one_in(8) and folder.path.exists():
            files = sorted(path for path in folder.path.iterdir() if path.is_file())
            for path in kernel.dice.some(files, most=len(files)):
                path.unlink()
            kernel.boundary("in a removal")
        _remove(folder)

    return remove


def _cancel_asked(kernel: Kernel) -> Callable[[AttemptFolder, str], None]:
    def ask_cancel(folder: AttemptFolder, how: str) -> None:
        kernel.boundary("before a cancel")
        kernel.trace(kernel.current.name if kernel.current else "", f"asks to stop: {how}")
        kernel.changes += 1
        _ask(folder, how)

    return ask_cancel


def _end_marked(world: World) -> Callable[..., None]:
    def end_marked(mark: str, *, grace: timedelta) -> None:
        del grace
        world.kernel.boundary("before a tool's end")
        world.end_tools(mark)
        world.kernel.boundary("after a tool's end")

    return end_marked


def _prepared(*_: Any) -> Sources:
    return Sources(release=RELEASE, environment_digest="e" * 64)


def _settled(kernel: Kernel) -> Callable[..., None]:
    def settled(app: Any, run: Run, *_: Any) -> None:
        kernel.boundary("before files are laid")
        app.tree(run.key.pipeline, run.key.environment)
        kernel.boundary("after files are laid")

    return settled


def empty(folder: Path) -> None:
    """The folder is there, with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
