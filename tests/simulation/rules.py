"""What must be true, whatever happens? Compared with what attempts really did (truth.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from orchestrator.core.graph import graph_of
from orchestrator.model.definitions import Pipeline, When
from orchestrator.model.runs import Action, Lease, Run, RunKey, StageRun, Status
from orchestrator.ports import Transaction
from orchestrator.store.store import DatabaseStore
from tests.simulation.pipelines import ENVIRONMENTS, PIPELINE
from tests.simulation.truth import Ledger, Truth


class Rules:
    """Each assertion is one of the promises of design 8."""

    def __init__(
        self,
        store: DatabaseStore,
        ledger: Ledger,
        pipeline: Pipeline,
        is_still: Callable[[str], bool],
        *,
        several: bool,
    ) -> None:
        """is_still: whether a machine stands still. several: whether there is another one."""
        self._store = store
        self._ledger = ledger
        self._pipeline = pipeline
        self._is_still = is_still
        self._several = several
        self._graph = graph_of(pipeline)
        self._leases: dict[str, Lease] = {}
        self._again: dict[str, int] = {}  # run -> attempts there were when a person asked for more
        self._stopped: dict[str, int] = {}  # run -> commands there were when somebody asked
        self._recorded: set[tuple[str, str, int]] = set()
        self._frozen: dict[str, object] = {}  # run -> what it was when its lease was lost

    # told by people

    def asked_again(self, run: str) -> None:
        self._again[run] = len(self._ledger.attempts)
        self._stopped.pop(run, None)

    def asked_to_stop(self, run: str, commands: int) -> None:
        """commands: how many there were; whoever begins later knows of the wish."""
        self._stopped.setdefault(run, commands)

    # while it goes on

    def may_begin(self, truth: Truth, command: int) -> None:
        """An attempt is about to begin, started by the command of that number."""
        asked = self._stopped.get(truth.run)
        assert asked is None or command < asked, f"{truth.name} begins though it was to stop"
        disturbed = self._ledger.disturbed.get((truth.environment, truth.stage), True)
        assert not (truth.may_skip and disturbed), f"{truth.name} may skip what is not proved"
        if not self._several:
            self.may_work(truth)

    def may_work(self, truth: Truth) -> None:
        """It is about to start its tool; where there are several machines, it asked before."""
        self._not_blindly(truth)
        self._nobody_else(truth)
        self._under_a_lease(truth)
        self._after_what_it_needs(truth)

    def after_a_commit(self) -> None:
        """Tokens only grow, and what is recorded as done is seen."""
        with self._store.read() as tx:
            for environment in ENVIRONMENTS:
                lease, last = tx.lease(PIPELINE, environment), self._leases.get(environment)
                if lease is not None:
                    same = last is not None and last.purpose == lease.purpose
                    grown = last is None or lease.token > last.token
                    again = same and last is not None and lease.token == last.token
                    assert grown or again, f"the token of {environment} is {lease.token} again"
                    self._leases[environment] = lease
                for run in tx.runs(pipeline=PIPELINE, environment=environment, limit=1):
                    stages = tx.stage_runs(run.key)
                    for stage in stages:
                        self._seen(stage)
                    self._unchanged_without_lease(run, stages, lease)

    def _unchanged_without_lease(
        self, run: Run, stages: Sequence[StageRun], lease: Lease | None
    ) -> None:
        """Whoever lost the lease records nothing more of the run."""
        name = str(run.key)
        mine = lease is not None and lease.purpose == f"run {name}"
        if mine or (run.status.ended and name not in self._frozen):
            self._frozen.pop(name, None)
            return
        now = (run, stages)
        assert self._frozen.setdefault(name, now) == now, f"{name} goes on without its lease"

    def _seen(self, stage: StageRun) -> None:
        mark = (str(stage.run), stage.stage, stage.attempts)
        if stage.status.good and mark not in self._recorded:
            self._recorded.add(mark)
            self._ledger.recorded_good(stage.run.environment, stage.stage)
        if stage.status is Status.LOST:
            for truth in self._ledger.of(str(stage.run), stage.stage)[-1:]:
                truth.given_up = truth.given_up or truth.number == stage.attempts

    def _nobody_else(self, truth: Truth) -> None:
        for other in self._ledger.living(environment=truth.environment):
            if other is truth or (self._several and not other.started):
                continue
            if self._is_still(other.machine):
                continue  # nobody hears of it; when it wakes it asks for its lease, and ends
            if other.given_up and not other.alive and other.machine != truth.machine:
                continue  # an orphan on another machine, of which a person was told
            assert other.run == truth.run, f"{truth.name} begins while {other.name} lives"
            assert other.stage != truth.stage, f"{truth.name} begins while {other.name} lives"

    def _not_blindly(self, truth: Truth) -> None:
        """What nobody knows the end of is tried again only where a person said so."""
        before = [t for t in self._ledger.of(truth.run, truth.stage) if t is not truth]
        if self._several:
            before = [t for t in before if t.started]
        if not before:
            return
        assert truth.number > before[-1].number or not before[-1].started, (
            f"{truth.name} begins a second time"
        )
        if before[-1].unknown:
            asked = self._again.get(truth.run, -1)
            at = self._ledger.place(before[-1])
            assert asked > at, f"{truth.name} repeats blindly what is unknown"

    def _under_a_lease(self, truth: Truth) -> None:
        with self._store.read() as tx:
            lease = tx.lease(PIPELINE, truth.environment)
        if truth.run in self._frozen:
            return  # it was broken in this very moment; what the attempt writes is refused
        assert lease is not None, f"{truth.name} begins without a lease"
        assert lease.purpose == f"run {truth.run}", f"{truth.name} begins under {lease.purpose}"

    def _after_what_it_needs(self, truth: Truth) -> None:
        stages = self._stages(truth.run)
        if truth.action is not Action.APPLY or self._is_destroy(truth.run):
            return
        good = self._pipeline.stages[truth.stage].when is When.SUCCESS
        for need in self._graph.needs(truth.stage):
            status = stages[need].status
            assert status.ended, f"{truth.name} begins before {need} has ended"
            well = status.good or status is Status.UNNEEDED
            assert well or not good, f"{truth.name} begins though {need} is {status.value}"
            alive = [
                t
                for t in self._ledger.of(truth.run, need)
                if t.lives and not (t.given_up and self._is_still(t.machine))
            ]
            assert not alive, f"{truth.name} begins while {need} lives"

    # at the end

    def at_the_end(self) -> None:
        """A careful person has taken over whatever was left."""
        # an orphan on a machine that was given up ends when somebody acts there again
        living = [t.name for t in self._ledger.living() if t.alive or not t.given_up]
        assert not living, f"{', '.join(living)} lives on"
        with self._store.read() as tx:
            for environment in ENVIRONMENTS:
                lease = tx.lease(PIPELINE, environment)
                assert lease is None, f"the lease of {environment} was never given back"
            for run in tx.runs(pipeline=PIPELINE, limit=1000):
                assert run.status.ended, f"{run.key} never ended"
                for stage in tx.stage_runs(run.key):
                    self._as_it_was(str(run.key), stage)
                self._told_once(tx, run.key)
            self._audited(tx)

    def _as_it_was(self, run: str, stage: StageRun) -> None:
        name = f"{run}/{stage.stage}"
        assert stage.status.ended, f"{name} never ended"
        attempts = self._ledger.of(run, stage.stage)
        if not attempts:
            tried = [Status.SUCCEEDED, Status.SKIPPED]
            if not self._several:  # nobody knows of another machine whether it had begun
                tried.append(Status.LOST)
            assert stage.status not in tried, f"{name} is {stage.status.value}, and never ran"
            return
        last = attempts[-1]
        if stage.attempts > last.number:
            return  # a later one was never started; the store says so
        if stage.status is Status.UNNEEDED and self._pipeline.stages[stage.stage].once:
            return  # it was to be tried again, and succeeded in another environment meanwhile
        left_out = (Status.BLOCKED, Status.UNNEEDED, Status.CANCELLED)
        if stage.status in left_out and self._again.get(run, -1) > self._ledger.place(last):
            return  # a person asked for more, and this time its turn did not come
        if stage.status is Status.CANCELLED and last.status is Status.FAILED:
            assert run in self._stopped, f"{name} is cancelled, and nobody asked"
            return  # it was to be tried again
        if self._several and last.given_up:  # what it came to nobody heard
            assert stage.status is Status.LOST, f"{name} is {stage.status.value}, and was given up"
        elif last.unknown:
            known = (Status.LOST, Status.CANCELLED) if not last.started else (Status.LOST,)
            assert stage.status in known, f"{name} is {stage.status.value}, and nobody knows"
        elif last.status is not None and stage.status is not Status.BLOCKED:
            assert stage.status is last.status, (
                f"{name} is {stage.status.value}, and {last.name} {last.status.value}"
            )
        if stage.status is Status.SUCCEEDED and last.action is Action.APPLY:
            assert dict(stage.outputs) == dict(last.outputs), f"{name} has other outputs"

    def _told_once(self, tx: Transaction, run: RunKey) -> None:
        """Of an attempt that was begun again, for it had never started, the second one."""
        mine = {t.name: t for t in self._ledger.attempts if t.run == str(run)}
        for truth in mine.values():
            kept = tx.taken_in(run, truth.stage, truth.number)
            # what a machine that nobody hears of had told lies in its own folders
            unheard = truth.given_up and kept < truth.told and self._several
            assert kept == truth.told or unheard, (
                f"{truth.name} told {truth.told} events, {kept} are kept"
            )

    def _audited(self, tx: Transaction) -> None:
        """Every run's beginning and end has its row."""
        rows = Counter((row["subject"], row["verb"]) for row in tx.audit_rows(limit=100_000))
        for run in tx.runs(pipeline=PIPELINE, limit=1000):
            name, action = str(run.key), run.action.value
            begun = rows[name, f"{action}.started"] + rows[name, "run.retried"]
            ended = rows[name, f"{action}.ended"]
            assert begun == ended, f"{name} began {begun} times by the audit, and ended {ended}"

    def _stages(self, run: str) -> dict[str, StageRun]:
        with self._store.read() as tx:
            (key,) = (r.key for r in tx.runs(pipeline=PIPELINE, limit=1000) if str(r.key) == run)
            return {stage.stage: stage for stage in tx.stage_runs(key)}

    def _is_destroy(self, run: str) -> bool:
        with self._store.read() as tx:
            found = [r for r in tx.runs(pipeline=PIPELINE, limit=1000) if str(r.key) == run]
        return found[0].action is Action.DESTROY
