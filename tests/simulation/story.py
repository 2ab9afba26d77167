"""What happens in the world of one seed? People give commands, everything fails, and at the end a
careful person takes over what was left. Then what is recorded must be what was.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.core.graph import graph_of
from orchestrator.core.selection import DOTS, select
from orchestrator.model.definitions import StageKind
from orchestrator.model.errors import ExecutorError
from orchestrator.model.runs import (
    LEASE_LASTS,
    Action,
    RequestKind,
    Run,
    RunKey,
    RunStatus,
    Status,
)
from orchestrator.services import runs
from orchestrator.services.app import App
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.leases import broken, give_back, hold
from orchestrator.services.queueing import queued
from orchestrator.services.retrying import retry
from orchestrator.store.opening import memory_store
from orchestrator.trust.vault import Keys, StoreVault
from tests.simulation.attempts import Attempt, not_started
from tests.simulation.chance import Dice, Mood, mood
from tests.simulation.doors import RELEASE, Clock, SimulatedStore, World, doors, lock_of_nobody
from tests.simulation.kernel import Kernel, Process
from tests.simulation.pipelines import ENVIRONMENTS, PIPELINE, project
from tests.simulation.rules import Rules
from tests.simulation.trace import Trace
from tests.simulation.truth import Ledger, Truth

PEOPLE = ("ana", "bo")
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the world of one seed came out."""

    seed: int
    trace: Trace
    wrong: str  # the rule that was broken; "" where none was
    attempts: int
    kills: Counter[str]
    passed: Counter[str]  # boundaries, and how often one was reached


Defect = Callable[[], AbstractContextManager[object]]
"""Breaks something of ours meanwhile."""


def told(seed: int, defect: Defect = nullcontext) -> Ending:
    """The same for the same seed, byte for byte."""
    where = str(_MEMORY) if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="simulated-", dir=where) as folder:
        return Story(seed, Path(folder)).told(defect)


class Story:
    """One world."""

    def __init__(self, seed: int, folder: Path) -> None:
        dice = Dice(seed)
        self.seed, self.folder, self.dice = seed, folder, dice
        self.mood: Mood = mood(dice)
        self.machines = tuple(f"m{number + 1}" for number in range(self.mood.machines))
        self.trace = Trace()
        self.kernel = Kernel(dice, self.mood, self.trace)
        self.trace.now = lambda: self.kernel.now
        self.project = project(dice, machines=self.mood.machines)
        pipeline = self.project.pipelines[PIPELINE]
        graph = graph_of(pipeline)
        below = {
            name: tuple(each for each in select(graph, (name + DOTS,)) if each != name)
            for name in pipeline.stages
        }
        self.ledger = Ledger(below)
        self.store = memory_store("simulated-1", folder=folder)
        self.vault = StoreVault(_keys(folder))
        self.rules = Rules(
            self.store,
            self.ledger,
            pipeline,
            self.kernel.has_just_woken,
            several=len(self.machines) > 1,
        )
        self.attempts: dict[str, Attempt] = {}
        self._begun: list[Attempt] = []
        self._commands = 0

    def told(self, defect: Defect) -> Ending:
        world = World(self.kernel)
        world.end_tools = self._end_tools
        wrong = ""
        try:
            with doors(world), defect():
                self._lay_release()
                self._people()
                self.kernel.run()
                self._heal()
                self.rules.at_the_end()
        except Exception as error:  # noqa: BLE001  # a bug of ours is what is looked for
            wrong = f"{type(error).__name__}: {error}"
            self.trace("rules", f"BROKEN: {error}")
        finally:
            self.kernel.bury()
            for attempt in self._begun:
                attempt.close()
            self.store.close()
        return Ending(
            seed=self.seed,
            trace=self.trace,
            wrong=wrong,
            attempts=len(self.ledger.attempts),
            kills=self.kernel.kills,
            passed=self.kernel.passed,
        )

    # people

    def _people(self) -> None:
        self._command("up", ENVIRONMENTS[0], self._up)
        for _ in range(self.mood.acts):
            self.kernel.later(self.dice.seconds(0, 120), self._some_act)
        for _ in range(self.mood.trouble if len(self.machines) > 1 else 0):
            self.kernel.later(self.dice.seconds(0, 200), self._some_trouble)
            # … and somebody comes back much later
            self.kernel.later(self.dice.seconds(200, 1500), self._some_act)

    def _some_act(self) -> None:
        environment = self.dice.weighed(((5, ENVIRONMENTS[0]), (1, ENVIRONMENTS[1])))
        name, act = self.dice.weighed(
            (
                (4, ("up", self._up)),
                (3, ("wait", self._wait)),
                (3, ("retry", self._retry)),
                (2, ("cancel", self._cancel)),
                (1, ("kill", self._kill)),
                (1, ("destroy", self._destroy)),
                (2 * self.mood.breaks, ("break", self._break)),
                (3 * self.mood.holds, ("hold", self._hold)),
                (2 * self.mood.holds, ("give back", self._give_back)),
                (3 * self.mood.holds, ("up in turn", self._up_in_turn)),
            )
        )
        self._command(name, environment, act)

    def _command(
        self, name: str, environment: str, act: Callable[[App, str], Any], person: str = ""
    ) -> Process:
        self._commands += 1
        person = person or self.dice.of(PEOPLE)
        up = [machine for machine in self.machines if not self.kernel.is_still(machine)]
        machine = self.dice.of(up or self.machines)
        app = self._app(f"{person}@home pid {self._commands}", machine)
        title = f"{name} {environment} ({self._commands})"
        return self.kernel.spawn(title, machine, lambda: act(app, environment))

    def _some_trouble(self) -> None:
        """Whatever can happen to a whole machine."""
        machine, seconds = self.dice.of(self.machines), self.dice.seconds(30, 900)
        what = self.dice.of(("still", "cut", "power"))
        if what == "cut":
            self.kernel.cut_off(machine, seconds)
            return
        if what == "power":
            for process in self.kernel.living():
                if process.machine == machine:
                    self.kernel.kill(process, "a loss of power")
            for attempt in self._begun:
                if attempt.truth.machine == machine:
                    attempt.lose_power()
        self.kernel.stand_still(machine, seconds)

    def _up(self, app: App, environment: str) -> None:
        left = runs.unfinished(app, PIPELINE, environment)
        if left is not None and runs.is_left(app, left.key):
            ended = runs.adopt(app, left.key, **self._ears())
            if ended.status is RunStatus.LOST:
                return
        self._begin(app, environment, Action.APPLY)

    def _destroy(self, app: App, environment: str) -> None:
        left = runs.unfinished(app, PIPELINE, environment)
        if left is not None and runs.is_left(app, left.key):
            runs.adopt(app, left.key, **self._ears())
        self._begin(app, environment, Action.DESTROY)

    def _begin(self, app: App, environment: str, action: Action) -> None:
        newest = self._newest(environment)
        lost = newest is not None and newest.status is RunStatus.LOST and action is Action.APPLY
        words = self._words(newest.key) if newest is not None and lost else {}
        runs.start(
            app,
            pipeline=PIPELINE,
            environment=environment,
            action=action,
            words=words,
            **self._ears(),
        )

    def _wait(self, app: App, environment: str) -> None:
        left = runs.unfinished(app, PIPELINE, environment)
        if left is not None:
            runs.adopt(app, left.key, **self._ears())

    def _retry(self, app: App, environment: str) -> None:
        newest = self._newest(environment)
        if newest is None:
            return
        if runs.is_left(app, newest.key):
            newest = runs.adopt(app, newest.key, **self._ears())
        if newest.status in (RunStatus.RUNNING, RunStatus.SUCCEEDED):
            return
        self.rules.asked_again(str(newest.key))
        retry(app, newest.key, words=self._words(newest.key), **self._ears())

    def _words(self, key: RunKey) -> Mapping[str, str]:
        """Whoever looks finds out that it is to be done again; of Pulumi the state tells."""
        with self.store.read() as tx:
            lost = [s for s in tx.stage_runs(key) if s.status is Status.LOST]
        return {s.stage: "again" for s in lost if s.kind is not StageKind.PULUMI}

    def _cancel(self, app: App, environment: str) -> None:
        self._stop(app, environment, RequestKind.CANCEL)

    def _kill(self, app: App, environment: str) -> None:
        self._stop(app, environment, RequestKind.KILL)

    def _stop(self, app: App, environment: str, kind: RequestKind) -> None:
        left = runs.unfinished(app, PIPELINE, environment)
        if left is None:
            return
        runs.request(app, left.key, kind)
        with self.store.read() as tx:
            if not tx.requests(left.key, after=-1):
                return  # a retry that came meanwhile has heard it, and goes on all the same
        self.rules.asked_to_stop(str(left.key), len(self.kernel.processes))
        if runs.is_left(app, left.key):
            runs.adopt(app, left.key, **self._ears())

    def _break(self, app: App, environment: str) -> None:
        broken(app, (PIPELINE, environment), why="somebody thinks so", living=True)

    def _hold(self, app: App, environment: str) -> None:
        lasts = timedelta(seconds=self.dice.seconds(5, 200)) if self.dice.one_in(2) else None
        hold(app, [(PIPELINE, environment)], why="somebody looks into it", lasts=lasts)

    def _give_back(self, app: App, environment: str) -> None:
        give_back(app, [(PIPELINE, environment)])

    def _up_in_turn(self, app: App, environment: str) -> None:
        patience = timedelta(seconds=self.dice.seconds(1, 300))
        with queued(
            app,
            PIPELINE,
            environment,
            purpose=f"up {environment}",
            patience=patience,
            say=lambda _: None,
        ) as mine:
            self._up(mine, environment)

    def _heal(self) -> None:
        """Nothing fails any more, and a careful person takes over whatever was left.

        From any machine, once the leases of those that nobody hears of are over.
        """
        self.kernel.faults = False
        self.kernel.now += 2 * LEASE_LASTS if len(self.machines) > 1 else timedelta(0)
        for environment in ENVIRONMENTS:
            for _ in range(4):
                left = self._newest(environment)
                if left is None or left.status.ended:
                    break
                self._command("wait", environment, self._wait)
                self.kernel.run()
            for person in PEOPLE:
                self._command("give back", environment, self._give_back, person)
            self.kernel.run()

    # the world's side

    def _start_attempt(self, folder: AttemptFolder, _: Mapping[str, str]) -> None:
        kernel = self.kernel
        kernel.boundary("before a start")
        if kernel.faults and self.dice.one_in(self.mood.parent):
            if self.dice.one_in(2):
                raise not_started("its parent died before it forked")
            self._fork(folder)
            raise ExecutorError("the parent of attempts died.", started=False)
        self._fork(folder)
        kernel.boundary("after a start")

    def _fork(self, folder: AttemptFolder) -> None:
        truth = self._truth(folder)
        lock = lock_of_nobody(folder.lock)
        assert lock is not None, f"{truth.name} is started while it lives"
        current = self.kernel.current
        assert current is not None
        self.rules.may_begin(truth, self.kernel.processes.index(current))
        self.ledger.attempts.append(truth)
        renew = None if len(self.machines) == 1 else self._renewal(folder)
        attempt = Attempt(self.kernel, self.ledger, folder, lock, truth, renew, self.rules.may_work)
        self.attempts[truth.mark] = attempt  # the last of its name
        self._begun.append(attempt)
        self.trace(truth.name, "begins")
        attempt.begin()

    def _renewal(self, folder: AttemptFolder) -> Callable[[], None]:
        work = json.loads(folder.work.read_text())
        key, token = RunKey(**work["run"]), work["lease_token"]

        def renew() -> None:
            with self.store.write() as tx:
                until = self.kernel.now + LEASE_LASTS
                tx.renew_lease(key.pipeline, key.environment, token, until=until)

        return renew

    def _truth(self, folder: AttemptFolder) -> Truth:
        work = json.loads(folder.work.read_text())
        key, current = RunKey(**work["run"]), self.kernel.current
        assert current is not None
        return Truth(
            run=str(key),
            environment=key.environment,
            stage=work["stage"],
            number=work["attempt"],
            action=Action(work["action"]),
            machine=current.machine,
            mark=work["mark"],
            began_at=self.kernel.now,
            may_skip=work["may_skip"],
        )

    def _end_tools(self, mark: str) -> None:
        attempt = self.attempts.get(mark)
        here = self.kernel.current.machine if self.kernel.current else ""
        if attempt is None or attempt.truth.machine != here:
            return
        if attempt.truth.tool and not attempt.truth.alive:
            attempt.end_tool()

    # parts

    def _app(self, actor: str, machine: str) -> App:
        folder = self.folder
        if len(self.machines) > 1:
            folder = self.folder / machine
            folder.mkdir(exist_ok=True)
            (folder / "machine").write_text(machine)
        store: Any = SimulatedStore(self.kernel, self.store, folder, self._committed)
        return App(
            root=self.folder,
            project=self.project,
            store=store,
            vault=self.vault,
            clock=Clock(self.kernel),
            actor=actor,
            variables={},
            start_attempt=self._start_attempt,
            tools=dict,
        )

    def _committed(self, _: Process | None) -> None:
        self.kernel.changes += 1
        self.rules.after_a_commit()

    def _ears(self) -> dict[str, Any]:
        return {"listener": lambda _: None, "interrupts": Interrupts()}

    def _newest(self, environment: str) -> Run | None:
        with self.store.read() as tx:
            found = tx.runs(pipeline=PIPELINE, environment=environment, limit=1)
        return found[0] if found else None

    def _lay_release(self) -> None:
        with self.store.write() as tx:
            tx.add_release(
                digest=RELEASE, name="p@1", at=self.kernel.now, body={"artifacts": {}}, blobs={}
            )


_KEYS: list[str] = []


def _keys(folder: Path) -> Keys:
    """One process's keys are made once: nothing of a story may depend on them."""
    path = folder / "keys.json"
    if _KEYS:
        path.write_text(_KEYS[0])
        path.chmod(0o600)
        return Keys.load(path)
    keys = Keys.create(path)
    _KEYS.append(path.read_text())
    return keys
