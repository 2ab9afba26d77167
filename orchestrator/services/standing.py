"""What stands in an environment as its run goes on, and may a stage of it be skipped?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from orchestrator.core.graph import Graph
from orchestrator.core.selection import DOTS, select
from orchestrator.model.runs import Action, InPlace, Run, StageRun, Status
from orchestrator.model.values import Json
from orchestrator.ports import Transaction

STALE = "stale:"  # before the inputs' digest of what stands below something that changed


class Standing:
    """The stages in place in the run's environment; what changes is written as it changes."""

    def __init__(self, tx: Transaction, run: Run, graph: Graph) -> None:
        self._run = run
        self._graph = graph
        self._here = {s.stage: s for s in tx.in_place(run.key.pipeline, run.key.environment)}

    def outputs(self, stage: str) -> Mapping[str, Json] | None:
        """Of what stands there; None where nothing does."""
        here = self._here.get(stage)
        return here.outputs if here else None

    def may_skip(self, stage: str, digest: str) -> bool:
        """Equal inputs, and nothing above changed since its last success (design 8, rule 11)."""
        here = self._here.get(stage)
        return here is not None and here.inputs_digest == digest

    def place(self, tx: Transaction, stage: StageRun, now: datetime) -> None:
        """What stands there after this end; a failure leaves nothing to skip by."""
        key = self._run.key
        if self._run.action is Action.DESTROY:
            if stage.status.good:
                tx.take_out(key.pipeline, key.environment, stage.stage)
            elif stage.stage in self._here:  # a part of it may be gone
                self._put(tx, replace(self._here[stage.stage], inputs_digest=""))
            return
        if stage.status.good:
            here = InPlace(
                pipeline=key.pipeline,
                environment=key.environment,
                stage=stage.stage,
                run=key,
                release=self._run.release,
                inputs_digest=stage.inputs_digest,
                outputs=stage.outputs,
                at=now,
            )
            self._put(tx, here)
        elif stage.stage in self._here:
            self._put(tx, replace(self._here[stage.stage], inputs_digest=""))
        if not _left_as_it_was(stage):
            self._disturb(tx, stage.stage)

    def _disturb(self, tx: Transaction, changed: str) -> None:
        """What stands on a stage that changed is not skipped before it has run again itself.

        It may be this run's to do so, or, after a failure or with --select, that of a later one.
        """
        for stage in select(self._graph, (changed + DOTS,)):
            here = self._here.get(stage)
            if stage == changed or here is None or not here.inputs_digest:
                continue
            if not here.inputs_digest.startswith(STALE):
                self._put(tx, replace(here, inputs_digest=STALE + here.inputs_digest))

    def _put(self, tx: Transaction, here: InPlace) -> None:
        self._here[here.stage] = here
        tx.put_in_place(here)


def _left_as_it_was(stage: StageRun) -> bool:
    """Whether it is proved that nothing changed.

    A second try may find done what the first one did before it failed.
    """
    unchanged = stage.status is Status.SUCCEEDED and not stage.changes.any
    return stage.status is Status.SKIPPED or (unchanged and stage.attempts == 1)
