"""What would `up` do? Every stage is asked, in an order it may run in; nothing is changed.

An output is known only where its stage's own plan leaves it unchanged or predicts it. A stage that
needs an unknown one is deferred: no mocks, ever (design 5).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.core.graph import graph_of, ordered
from orchestrator.core.selection import select
from orchestrator.model.codec import decode, encode
from orchestrator.model.definitions import Environment, Pipeline, Stage, StageKind
from orchestrator.model.errors import OrchestratorError
from orchestrator.model.runs import Action, Changes, Plan, Run, RunKey, RunStatus
from orchestrator.model.values import Json
from orchestrator.services.acting import held_for
from orchestrator.services.app import App
from orchestrator.services.holding import PLAN, plan_key
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.orders import MissingOutput, RunContext, StageOrder, stage_order
from orchestrator.services.sources import Sources, settled
from orchestrator.services.sweeping import end_leftovers
from orchestrator.services.watched import Ended, WatchedAttempt

LOOK_EVERY = 0.05  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """What one stage would do, or why nobody can say."""

    stage: str
    kind: StageKind
    plan: Plan = Plan()  # noqa: RUF009  # frozen and empty
    error: str = ""  # the stage could not be planned: this is what is wrong

    @property
    def open(self) -> bool:
        """Whether more may happen than the rows say."""
        return bool(self.plan.deferred or self.error)


def planned(
    app: App,
    pipeline: Pipeline,
    environment: Environment,
    sources: Sources,
    *,
    patterns: Sequence[str],
    say: Callable[[str], None],
    interrupts: Interrupts,
) -> tuple[StagePlan, ...]:
    """Every selected stage's plan, in the order they may run. Holds the lease meanwhile.

    say: told the stage that is asked next. Raises Locked, Refused, ReleaseError.
    """
    now = app.clock.now()
    run = Run(
        key=plan_key(pipeline.name, environment.name),
        action=Action.PLAN,
        status=RunStatus.RUNNING,
        release=sources.release,
        environment_digest=sources.environment_digest,
        requested_by=app.actor,
        started_at=now,
    )
    with _held(app, run.key):
        settled(app, run, environment, pipeline)
        return _Planning(app, pipeline, environment, run, interrupts).walk(patterns, say)


def total(plans: Sequence[StagePlan]) -> Changes:
    """All stages' counts together."""
    counts = [plan.plan.changes for plan in plans]
    return Changes(
        create=sum(c.create for c in counts),
        update=sum(c.update for c in counts),
        delete=sum(c.delete for c in counts),
        replace=sum(c.replace for c in counts),
        same=sum(c.same for c in counts),
    )


@contextmanager
def _held(app: App, key: RunKey) -> Iterator[None]:
    """Neither an earlier plan's attempts nor ours live on in the environment."""
    where = key.pipeline, key.environment
    with held_for(app, *where, purpose=PLAN):
        end_leftovers(app, *where)
        try:
            yield
        finally:
            end_leftovers(app, *where)


class _Planning:
    def __init__(
        self,
        app: App,
        pipeline: Pipeline,
        environment: Environment,
        run: Run,
        interrupts: Interrupts,
    ) -> None:
        self._app = app
        self._interrupts = interrupts
        with app.store.read() as tx:
            _, name, _, body = tx.release(run.release)
            here = tx.in_place(pipeline.name, environment.name)
        artifacts = body.get("artifacts", {})
        assert isinstance(artifacts, Mapping)
        self._context = RunContext(
            run=run,
            pipeline=pipeline,
            environment=environment,
            release_name=name,
            artifacts=artifacts,
            tree=app.tree(pipeline.name, environment.name),
        )
        self._known: dict[str, Mapping[str, Json]] = {h.stage: h.outputs for h in here}

    def walk(self, patterns: Sequence[str], say: Callable[[str], None]) -> tuple[StagePlan, ...]:
        graph = graph_of(self._context.pipeline)
        chosen = set(select(graph, patterns))
        plans = []
        for name in ordered(graph):
            if name in chosen and not self._interrupts.count:
                say(name)
                plans.append(self._plan(self._context.pipeline.stages[name]))
        return tuple(plans)

    def _plan(self, stage: Stage) -> StagePlan:
        try:
            order = self._order(stage)
            ended = self._asked(order)
        except MissingOutput as error:
            return self._deferred(stage, f"'{error.reference}' is known only after its stage")
        except OrchestratorError as error:
            return self._failed(stage, str(error))
        if ended.plan is None:
            failures = ended.outcome.failures
            return self._failed(stage, ended.reason or (failures[0].what if failures else "?"))
        plan = decode(Plan, ended.plan, self._app.vault.open)
        self._known[stage.name] = {
            name: encode(value, self._app.vault.seal)
            for name, value in plan.outputs.items()
            if name not in plan.unknown
        }
        return StagePlan(stage=stage.name, kind=stage.kind, plan=plan)

    def _order(self, stage: Stage) -> StageOrder:
        return stage_order(
            self._app,
            self._context,
            stage,
            attempt=1,
            action=Action.PLAN,
            outputs_of=self._known.get,
        )

    def _asked(self, order: StageOrder) -> Ended:
        work = order.work
        folder = AttemptFolder.made(work.folder, encode(work, self._app.vault.seal))
        self._app.start_attempt(folder, order.variables)
        watched = WatchedAttempt(folder, stage=work.stage, number=1, mark=work.mark)
        while (ended := watched.ended(work.grace)) is None:
            if self._interrupts.count:
                folder.ask_cancel("kill" if self._interrupts.count > 1 else "cancelled")
            time.sleep(LOOK_EVERY)
        folder.remove()
        return ended

    def _deferred(self, stage: Stage, why: str) -> StagePlan:
        self._known.pop(stage.name, None)  # what it exports may change with it
        return StagePlan(stage=stage.name, kind=stage.kind, plan=Plan(deferred=why))

    def _failed(self, stage: Stage, error: str) -> StagePlan:
        self._known.pop(stage.name, None)
        return StagePlan(stage=stage.name, kind=stage.kind, error=error)
