"""Who runs now? Processes of a made-up machine: one at a time, in an order that the seed decides.

A process is a thread that runs only while it holds the turn, and gives it back at every boundary
(`Kernel.boundary`) and wherever it waits. So everything between two boundaries is one step, and a
process may be killed at any of them: it is never given the turn again, the locks it holds are free
at once, and nothing it still had to do is done, no `finally` either.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.attempts.locks import FileLock
from orchestrator.model.errors import OrchestratorError
from tests.simulation.chance import Dice, Mood
from tests.simulation.trace import Trace

BEGINNING = datetime(2026, 11, 26, 6, tzinfo=UTC)
MOST_STEPS = 6000
MOST_KILLS = 6
POLL = 0.5  # seconds after which a driver looks by itself
LONGEST_SLEEP = 45.0  # seconds that an idle one may be left to sleep: less than RENEW_EVERY


class Stuck(AssertionError):
    """Nothing comes to an end any more."""


class Buried(BaseException):
    """Ends the thread of a killed process, once nobody looks any more."""


class Process:
    """One command of ours."""

    def __init__(self, name: str, machine: str, act: Callable[[], Any]) -> None:
        self.name = name
        self.machine = machine
        self.act = act
        self.turn = threading.Semaphore(0)
        self.thread: threading.Thread | None = None
        self.due = BEGINNING
        self.polls = False  # it waits, and would look only to see that nothing has changed
        self.seen = 0
        self.dead = False  # killed
        self.over = False
        self.inside = 0  # transactions, where nothing of ours is a boundary
        self.locks: list[FileLock] = []
        self.drives = ""  # the run
        self.listens = ""  # the run's folder, while it waits there for hints
        self.answer: Any = None
        self.error: OrchestratorError | None = None
        self.bug: BaseException | None = None

    @property
    def lives(self) -> bool:
        return not self.dead and not self.over


@dataclass(order=True)
class Event:
    due: datetime
    number: int
    do: Callable[[], None] = field(compare=False)
    machine: str = field(compare=False, default="")  # where it happens; "" nowhere in particular


class Kernel:
    """Time, processes, and what else happens at a time."""

    def __init__(self, dice: Dice, mood: Mood, trace: Trace) -> None:
        self.dice = dice
        self.mood = mood
        self.trace = trace
        self.now = BEGINNING
        self.processes: list[Process] = []
        self.events: list[Event] = []
        self.current: Process | None = None
        self.changes = 0  # of anything that a waiting process may look for
        self.still: dict[str, datetime] = {}  # machines on which nothing happens, until when
        self.cut: dict[str, datetime] = {}  # machines that do not reach the database, until when
        self.faults = True
        self.kills: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self._numbers = 0
        self._steps = 0
        self._back = threading.Semaphore(0)

    # what processes call

    def boundary(self, what: str) -> None:
        """The process may die here, or others may go on before it does."""
        process = self.current
        if process is None or process.inside:
            return
        if process.dead:
            raise Buried
        self.passed[what] += 1
        if self._may_kill() and self.dice.one_in(self.mood.crash):
            self.kill(process, what)
            self._park(process)
        if self.faults and self.dice.one_in(self.mood.stall):
            long = self.dice.one_in(12)
            pause = self.dice.seconds(60, 900) if long else self.dice.seconds(0, 2)
            self.sleep(process, pause)

    def sleep(self, process: Process, seconds: float, *, polls: bool = False) -> None:
        process.due = self.now + timedelta(seconds=seconds)
        process.polls, process.seen = polls, self.changes
        self._park(process)

    def kill(self, process: Process, where: str) -> None:
        """kill -9: the kernel frees its locks."""
        process.dead = True
        self.kills[where] += 1
        self.trace(process.name, f"KILLED at {where}")
        for lock in process.locks:
            _free(lock)
        process.locks.clear()
        self.changes += 1

    def _park(self, process: Process) -> None:
        self._back.release()
        process.turn.acquire()
        if process.dead:
            raise Buried

    def _may_kill(self) -> bool:
        return self.faults and sum(self.kills.values()) < MOST_KILLS

    # what the world calls

    def spawn(self, name: str, machine: str, act: Callable[[], Any]) -> Process:
        process = Process(name, machine, act)
        process.due = self.now
        process.thread = threading.Thread(target=self._live, args=(process,), daemon=True)
        self.processes.append(process)
        self.trace(name, f"begins on {machine}")
        process.thread.start()
        return process

    def later(self, seconds: float, do: Callable[[], None], machine: str = "") -> None:
        self._numbers += 1
        due = self.now + timedelta(seconds=seconds)
        self.events.append(Event(due, self._numbers, do, machine))

    def stand_still(self, machine: str, seconds: float) -> None:
        """Nothing happens there meanwhile, and time passes all the same."""
        self.still[machine] = self.now + timedelta(seconds=seconds)
        self.trace(machine, f"stands still for {seconds:.0f} s")

    def cut_off(self, machine: str, seconds: float) -> None:
        """It does not reach the database meanwhile."""
        self.cut[machine] = self.now + timedelta(seconds=seconds)
        self.trace(machine, f"is cut off for {seconds:.0f} s")

    def is_cut(self, machine: str) -> bool:
        return self.faults and self.now < self.cut.get(machine, BEGINNING)

    def is_still(self, machine: str) -> bool:
        return self.now < self.still.get(machine, BEGINNING)

    def has_just_woken(self, machine: str) -> bool:
        """Whether it stands still, or has had no moment yet to find out what it missed."""
        woke = self.still.get(machine, BEGINNING)
        return woke > BEGINNING and self.now <= woke + timedelta(seconds=1)

    def _when(self, due: datetime, machine: str) -> datetime:
        return max(due, self.still.get(machine, BEGINNING))

    def living(self) -> list[Process]:
        return [process for process in self.processes if process.lives]

    def run(self) -> None:
        """Until no process lives and nothing else is to come."""
        while self._step():
            self._steps += 1
            if self._steps > MOST_STEPS:
                raise Stuck("nothing comes to an end any more")

    def bury(self) -> None:
        """Ends every thread; what they do in dying is seen by nobody."""
        for process in self.processes:
            if not process.over:
                process.dead = True
                process.turn.release()
            if process.thread is not None:
                process.thread.join()

    def _live(self, process: Process) -> None:
        process.turn.acquire()
        try:
            if not process.dead:
                process.answer = process.act()
        except Buried:
            pass
        except OrchestratorError as error:
            process.error = error
        except BaseException as error:  # noqa: BLE001  # told to the world, which stops at it
            process.bug = error
        buried, process.over = process.dead, True
        if not buried:
            for lock in process.locks:
                _free(lock)
            self.changes += 1
            self._back.release()

    def _step(self) -> bool:
        ready = [process for process in self.processes if process.lives]
        if not ready and not self.events:
            return False
        self._let_sleep(ready)
        earliest = min(
            [self._when(process.due, process.machine) for process in ready]
            + [self._when(event.due, event.machine) for event in self.events],
        )
        self.now = max(self.now, earliest)
        events = sorted(e for e in self.events if self._when(e.due, e.machine) <= self.now)
        due = [p for p in ready if self._when(p.due, p.machine) <= self.now]
        choice = (
            self.dice.number(0, len(events) + len(due) - 1) if len(events) + len(due) > 1 else 0
        )
        if choice < len(events):
            event = events[choice]
            self.events.remove(event)
            event.do()
        else:
            self._resume(due[choice - len(events)])
        return True

    def _let_sleep(self, ready: list[Process]) -> None:
        """Who would only see that nothing has changed is left to sleep until something may have."""
        others = [self._when(event.due, event.machine) for event in self.events]
        others += [self._when(p.due, p.machine) for p in ready if not p.polls]
        for process in ready:
            if not process.polls or process.seen != self.changes:
                continue
            latest = process.due + timedelta(seconds=LONGEST_SLEEP)
            until = min([*others, latest])
            process.due = max(process.due, until)
            process.polls = False

    def _resume(self, process: Process) -> None:
        process.polls = False
        self.current = process
        process.turn.release()
        self._back.acquire()
        self.current = None
        if process.over:
            said = "" if process.error is None else f": {type(process.error).__name__}"
            self.trace(process.name, f"ends{said}")
        if process.bug is not None:
            raise process.bug


def _free(lock: FileLock) -> None:
    """As the kernel frees it; the number stays taken, for its owner may close it later."""
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        os.dup2(null, lock.descriptor, inheritable=False)
    finally:
        os.close(null)
