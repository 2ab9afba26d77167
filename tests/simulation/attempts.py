"""What do attempts do that are no processes? What real ones do, step by step, and die anywhere.

They work in real attempt folders, with real locks, spool and result: only the process is made up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from orchestrator.attempts.folder import AttemptFolder, write_whole
from orchestrator.attempts.locks import FileLock
from orchestrator.attempts.spool import Spool
from orchestrator.model.codec import encode
from orchestrator.model.definitions import Cause
from orchestrator.model.errors import ExecutorError, Fenced, OrchestratorError, StoreUnwritable
from orchestrator.model.events import LogLine
from orchestrator.model.runs import (
    LEASE_LASTS,
    RENEW_EVERY,
    Action,
    Changes,
    Failure,
    Outcome,
    Status,
)
from orchestrator.model.values import Json
from orchestrator.wiring.keeping import ASK_AGAIN, MARGIN
from tests.simulation.kernel import Kernel
from tests.simulation.pipelines import OUTPUT
from tests.simulation.truth import Ledger, Truth

DEATHS = ("before started", "before the tool", "in the tool", "with a living tool", "before result")


class Attempt:
    """One attempt."""

    def __init__(
        self,
        kernel: Kernel,
        ledger: Ledger,
        folder: AttemptFolder,
        lock: FileLock,
        truth: Truth,
        renew: Callable[[], None] | None = None,
        works: Callable[[Truth], None] = lambda _: None,
    ) -> None:
        """renew: its run's lease, where several machines share the store. Raises Fenced. works:
        told before the tool starts.
        """
        self._works = works
        self._kernel = kernel
        self._ledger = ledger
        self._folder = folder
        self._lock = lock
        self._tool_lock: FileLock | None = None
        self._spool: Spool | None = None
        self.truth = truth
        dice, mood = kernel.dice, kernel.mood
        self._dies = dice.of(DEATHS) if dice.one_in(mood.death) else ""
        self._deaf = dice.one_in(6)  # to polite requests
        self._events = dice.number(0, 3)
        self._proves = truth.may_skip and not dice.one_in(5)
        self._end = self._chosen_end()
        self._renew = renew
        self._sure_until = kernel.now
        self._step = 0  # what was to come before a later step does not come any more

    def begin(self) -> None:
        self._next(self._start, 0, 1)

    def end_tool(self) -> None:
        """The tool that outlived its attempt is ended."""
        assert self._tool_lock is not None
        self._tool_lock.close()
        self.truth.tool = False
        self._say("its tool is ended")
        self._ledger.ended(self.truth)

    def close(self) -> None:
        """Its world is over."""
        if self._spool is not None:
            self._spool.close()

    def lose_power(self) -> None:
        """Its machine is gone, and everything that ran there."""
        if self.truth.alive:
            self._dies = DEATHS[2]
            self._die()
        elif self.truth.tool:
            self.end_tool()
        self._step += 1

    # its lease

    def _is_ours(self) -> bool:
        """Whether anything may begin: as attempts really ask (wiring.keeping)."""
        if self._renew is None:
            return True
        try:
            self._renewed()
        except OrchestratorError:
            return False
        self._kernel.later(RENEW_EVERY.total_seconds(), self._keep, self.truth.machine)
        return True

    def _renewed(self) -> None:
        assert self._renew is not None
        if self._kernel.is_cut(self.truth.machine):
            raise StoreUnwritable("the database did not answer.")
        self._renew()
        self._sure_until = self._kernel.now + LEASE_LASTS - timedelta(seconds=MARGIN)

    def _keep(self) -> None:
        if not self.truth.alive or not self.truth.tool:
            return
        wait = RENEW_EVERY.total_seconds()
        try:
            self._renewed()
        except Fenced:
            self._fenced()
            return
        except OrchestratorError:
            wait = ASK_AGAIN
            if self._kernel.now >= self._sure_until:
                self._fenced()
                return
        self._kernel.later(wait, self._keep, self.truth.machine)

    def _fenced(self) -> None:
        """Its tool is ended at once."""
        self._say("is shut out")
        self._step += 1
        self.truth.cancel_seen = True
        self._end = self._cancelled
        self._finish()

    # its way

    def _start(self) -> None:
        if self._dies == DEATHS[0]:
            self._die()
            return
        self._tool_lock = FileLock.taken(self._folder.tool_lock)
        assert self._tool_lock is not None, "a tool of the same attempt lives on"
        self.truth.tool = True
        self._spool = Spool(
            self._folder.spool,
            now=lambda: self._kernel.now,
            redact=lambda value: value,
            hint_name=str(self._folder.path.parent),
        )
        if not self._is_ours():
            self._end = self._refused
            self._next(self._finish, 0, 0.1)
            return
        if self._renew is not None:
            self._works(self.truth)
        self._folder.mark_started()
        self.truth.started = True
        if self._dies == DEATHS[1]:
            self._die()
            return
        self._next(self._work, 0, 3)

    def _work(self) -> None:
        """The tool is asked, and tells what it does."""
        how = self._asked_to_stop()
        if how == "kill" or (how and not self._deaf):
            self.truth.cancel_seen = True
            if not self.truth.touched or self._kernel.dice.one_in(3):
                self._end = self._cancelled
            self._next(self._finish, 0, 1)
            return
        if not self._proves and not self.truth.touched:
            self.truth.touched = True
            self._say("touches the world")
        if self._events:
            self._events -= 1
            self._tell()
            self._next(self._work, 0, self._kernel.dice.of((1, 5, 90)))
        elif self._dies in DEATHS[2:4]:
            self._die()
        else:
            self._next(self._finish, 0, 5)

    def _finish(self) -> None:
        if self._dies == DEATHS[4]:
            self._die()
            return
        answer = self._end()
        assert self._spool is not None
        assert self._tool_lock is not None
        self._spool.close()
        self._tool_lock.close()
        self.truth.tool = False
        write_whole(self._folder.result, json.dumps(answer))
        self._say(f"has its result: {self.truth.status and self.truth.status.value}")
        self._ledger.ended(self.truth)
        self._next(self._exit, 0, 0.5)

    def _exit(self) -> None:
        self._lock.close()
        self.truth.alive = False
        hint_driver(self._kernel, str(self._folder.path.parent))

    def _die(self) -> None:
        """kill -9, or a loss of memory."""
        if self._spool is not None:
            self._spool.close()
            if self._kernel.dice.one_in(2):
                with self._folder.spool.open("ab") as file:
                    file.write(b'{"sequence": 99, "at')
        self._lock.close()
        self.truth.alive = False
        lives_on = self._dies == DEATHS[3]
        if self._tool_lock is not None and self.truth.tool and not lives_on:
            self._tool_lock.close()
            self.truth.tool = False
        self._say(f"DIES {self._dies}")
        if not lives_on:
            self._ledger.ended(self.truth)
        self._kernel.changes += 1

    def _tell(self) -> None:
        assert self._spool is not None
        self._spool(LogLine(text=f"line {self.truth.told + 1}"))
        self.truth.told += 1

    def _asked_to_stop(self) -> str:
        try:
            return self._folder.cancel.read_text()
        except FileNotFoundError:
            return ""

    def _next(self, step: Callable[[], None], low: float, high: float) -> None:
        self._step += 1
        mine = self._step

        def do() -> None:
            if mine == self._step:
                self._kernel.changes += 1
                step()

        self._kernel.later(self._kernel.dice.seconds(low, high), do, self.truth.machine)

    def _say(self, what: str) -> None:
        self._kernel.trace(f"  {self.truth.stage}-{self.truth.number}", what)

    # its ends

    def _chosen_end(self) -> Callable[[], Mapping[str, Json]]:
        if self._proves:
            return self._unchanged
        if not self._kernel.dice.one_in(self._kernel.mood.failure):
            return self._succeeded
        ends = [
            (4, lambda: self._failed(Cause.FAILED)),
            (2, lambda: self._failed(Cause.UNREACHABLE)),
            (2, lambda: self._failed(Cause.TIMEOUT)),
            (1, self._refused),
            (1, self._cannot_tell),
        ]
        return self._kernel.dice.weighed(ends)

    def _succeeded(self) -> Mapping[str, Json]:
        self.truth.changed = not self._kernel.dice.one_in(3)
        changes = Changes(update=int(self.truth.changed))
        outputs = {}
        if self.truth.action is not Action.DESTROY:
            outputs = {OUTPUT: f"{self.truth.name} {self._kernel.dice.number(0, 999)}"}
        self.truth.outputs = outputs
        return self._answer(Outcome(status=Status.SUCCEEDED, changes=changes), outputs)

    def _failed(self, cause: Cause) -> Mapping[str, Json]:
        self.truth.cause = cause
        failure = Failure(where=self.truth.stage, what="no", cause=cause)
        return self._answer(Outcome(status=Status.FAILED, failures=(failure,), cause=cause), {})

    def _cancelled(self) -> Mapping[str, Json]:
        return self._answer(Outcome(status=Status.CANCELLED), {})

    def _unchanged(self) -> Mapping[str, Json]:
        self.truth.status = Status.SKIPPED
        return {"unchanged": "a look at the real world proves it"}

    def _refused(self) -> Mapping[str, Json]:
        self.truth.status = Status.FAILED
        return {"error": {"lost": False, "text": "there is no such tool here."}}

    def _cannot_tell(self) -> Mapping[str, Json]:
        self.truth.status = Status.LOST
        return {"error": {"lost": True, "text": "the answer of the tool cannot tell."}}

    def _answer(self, outcome: Outcome, outputs: Mapping[str, Any]) -> Mapping[str, Json]:
        self.truth.status = outcome.status
        told = encode(replace(outcome, outputs={}))
        return {"outcome": told, "outputs": dict(outputs)}


def hint_driver(kernel: Kernel, run_folder: str) -> None:
    """Whoever waits in that folder looks at once, unless the hint is lost."""
    kernel.changes += 1
    if kernel.faults and kernel.dice.one_in(kernel.mood.hint):
        return
    for process in kernel.living():
        if process.listens == run_folder:
            process.due = min(process.due, kernel.now)
            process.polls = False


def not_started(why: str) -> ExecutorError:
    return ExecutorError(f"the attempt could not be started: {why}.", started=False)
