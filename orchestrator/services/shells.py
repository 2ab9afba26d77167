"""On what does a person's `pulumi` work in `stack shell`? On the stage as the newest run had it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.attempts.locks import FileLock, is_held
from orchestrator.model.definitions import StageKind
from orchestrator.model.errors import NotFound, Refused
from orchestrator.model.runs import Action, Lease, Run
from orchestrator.model.values import Json
from orchestrator.services.acting import held_for
from orchestrator.services.app import Admission, App
from orchestrator.services.backends import BUILTIN
from orchestrator.services.driving import as_run
from orchestrator.services.holding import person, plan_key
from orchestrator.services.leases import Where
from orchestrator.services.orders import RunContext, StageOrder, stage_order
from orchestrator.services.sweeping import end_leftovers

_LOCK = "shell.lock"


@contextmanager
def shell_order(app: App, where: Where, stage: str, words: str) -> Iterator[tuple[StageOrder, str]]:
    """The order that a shell prepares, in a folder that is gone afterwards, and why it only looks.

    Under the person's own hold it may write, "" says so, and the audit has it. words: what is
    typed. Raises NotFound, Refused.
    """
    run = _newest(app, where)
    _must_be_a_stack(app, where, run, stage)
    why = _why_only_looks(app, where)
    with _folder(app, where) as folder:
        if why:
            yield _order(app, run, stage, folder, 0), why
            return
        ours = replace(app, admission=Admission(held=True))
        with held_for(ours, *where, purpose=f"stack shell {stage}") as lease:
            end_leftovers(app, *where)
            _tell(app, lease, stage, "stack.shell.began", words)
            try:
                yield _order(app, run, stage, folder, lease.token), ""
            finally:
                _tell(app, lease, stage, "stack.shell.ended", words)


def _newest(app: App, where: Where) -> Run:
    with app.store.read() as tx:
        runs = tx.runs(pipeline=where[0], environment=where[1], limit=1)
    if not runs or not (app.tree(*where) / "tree").is_dir():
        raise NotFound(
            f"{where[1]} was never brought up here, so there is nothing to look at.",
            next=f"Bring it up: orchestrator up {where[1]}",
        )
    return runs[0]


def _must_be_a_stack(app: App, where: Where, run: Run, stage: str) -> None:
    stages = as_run(run)[0].stages
    stacks = [name for name, each in stages.items() if each.kind is StageKind.PULUMI]
    if stage not in stacks:
        known = ", ".join(stacks) or "none"
        raise NotFound(f"'{stage}' is no Pulumi stage of {app.spoken(run.key)}; stages: {known}.")
    with app.store.read() as tx:
        recorded = tx.backend(*where)
    if recorded != BUILTIN:
        raise Refused(
            f"{where[1]} keeps its stacks in '{recorded}', not in the store.",
            next="Use the ordinary pulumi there.",
        )


def _why_only_looks(app: App, where: Where) -> str:
    environment = app.project.environments.get(where[1])
    if environment is not None and environment.gate:
        return (
            f"This shell only looks: {where[1]} has a gate, and nothing is changed by hand there."
        )
    with app.store.read() as tx:
        lease = tx.lease(*where)
    if lease is not None and lease.is_hold and person(lease.owner) == person(app.actor):
        return ""
    return (
        f"This shell only looks. To change something by hand: orchestrator hold {where[1]} "
        '--why "…", then again.'
    )


def _order(app: App, run: Run, stage: str, folder: Path, token: int) -> StageOrder:
    pipeline, environment = as_run(run)
    with app.store.read() as tx:
        _, name, _, body = tx.release(run.release)
        known = {here.stage: here.outputs for here in tx.in_place(*_where(run))}
    artifacts = body.get("artifacts", {})
    assert isinstance(artifacts, dict)
    context = RunContext(
        run=replace(run, key=plan_key(*_where(run)), lease_token=token),
        pipeline=pipeline,
        environment=environment,
        release_name=name,
        artifacts=artifacts,
        tree=app.tree(*_where(run)),
    )
    order = stage_order(
        app,
        context,
        pipeline.stages[stage],
        attempt=1,
        action=Action.PLAN,
        outputs_of=known.get,
    )
    return replace(order, work=replace(order.work, folder=folder))


def _where(run: Run) -> Where:
    return run.key.pipeline, run.key.environment


@contextmanager
def _folder(app: App, where: Where) -> Iterator[Path]:
    """Those of shells that were killed go first: nothing is left to clear by hand."""
    parent = app.folder("attempts", where[0])
    for left in parent.glob(f"{where[1]}-shell-*"):
        if not is_held(left / _LOCK):
            shutil.rmtree(left, ignore_errors=True)
    folder = parent / f"{where[1]}-shell-{os.getpid()}"
    folder.mkdir(mode=0o700)
    lock = FileLock.taken(folder / _LOCK)
    assert lock is not None  # nobody else has our process id
    try:
        with closing(lock):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tell(app: App, lease: Lease, stage: str, verb: str, words: str) -> None:
    with app.store.write() as tx:
        versions: dict[str, Json] = {
            str(stack.name): stack.version
            for stack in tx.stacks()
            if (stack.pipeline, stack.environment) == (lease.pipeline, lease.environment)
        }
        tx.audit(
            actor=app.actor,
            verb=verb,
            subject=f"{lease.pipeline}/{lease.environment}",
            at=app.clock.now(),
            body={"stage": stage, "command": words, "token": lease.token, "versions": versions},
        )
