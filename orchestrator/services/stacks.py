"""Which stacks does an environment have in the store, what were they, and how do they come back?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from orchestrator.model.definitions import PulumiSpec
from orchestrator.model.errors import NotFound, Refused
from orchestrator.model.runs import LEASE_LASTS
from orchestrator.model.stacks import Deployment, Stack, StackUpdate, StackVersion, Writer
from orchestrator.ports import Transaction
from orchestrator.services.acting import held_for
from orchestrator.services.app import App
from orchestrator.services.backends import BUILTIN
from orchestrator.services.leases import Where
from orchestrator.services.programs import program_name
from orchestrator.services.standing import STALE
from orchestrator.services.sweeping import end_leftovers


@dataclass(frozen=True, slots=True, kw_only=True)
class StackView:
    """A stack, and the stages that wrote it, the last one first."""

    stack: Stack
    stages: tuple[str, ...]
    last: StackVersion | None

    def is_stray(self, app: App) -> bool:
        """Whether it holds something, and no stage of the pipeline names it any more."""
        found = self.stack
        pipeline = app.project.pipelines.get(found.pipeline)
        stages = pipeline.stages.values() if pipeline is not None else ()
        specs = [stage.spec for stage in stages if isinstance(stage.spec, PulumiSpec)]
        same = [spec for spec in specs if (spec.stack or found.environment) == found.name.name]
        programs = {program_name(app.root / spec.project) for spec in same}
        return bool(found.resources) and not programs & {found.name.project, ""}


def stack_views(app: App, where: Sequence[Where]) -> tuple[StackView, ...]:
    """Those of environments that keep their stacks in the store, by name."""
    with app.store.read() as tx:
        return tuple(
            _view(tx, stack)
            for stack in tx.stacks()
            if (stack.pipeline, stack.environment) in where
        )


def told_strays(app: App, where: Where) -> tuple[str, ...]:
    """A sentence for each stack that nobody would change or take away any more."""
    return tuple(
        f"the stack {view.stack.name} ({view.stack.resources} resources, last of stage "
        f"{', '.join(view.stages) or 'none'}) is in {where[1]}, and no stage names it any more: "
        "nothing changes it or takes it away. Put its stage back; or empty it, then: orchestrator "
        f"stack remove {where[1]} {view.stack.name} (docs/stacks.md)"
        for view in stack_views(app, [where])
        if view.is_stray(app)
    )


def stack_at(app: App, where: Where, stage: str) -> Stack:
    """The stack that a stage last wrote. Raises NotFound; Refused where it is kept elsewhere."""
    pipeline, environment = where
    views = [view for view in stack_views(app, [where]) if stage in view.stages]
    if views:
        return max(views, key=lambda view: view.stack.changed_at).stack
    with app.store.read() as tx:
        recorded = tx.backend(pipeline, environment)
    if recorded not in (None, BUILTIN):
        raise Refused(
            f"{environment} keeps its stacks in '{recorded}', not in the store.",
            next="Ask the ordinary pulumi there.",
        )
    known = sorted({name for view in stack_views(app, [where]) for name in view.stages})
    raise NotFound(
        f"stage '{stage}' has no stack in {environment}; "
        + (f"stages with one: {', '.join(known)}." if known else "no stage has one."),
        next="See all: orchestrator stack list",
    )


def versions_of(app: App, stack: Stack, *, limit: int) -> tuple[StackVersion, ...]:
    """Newest first; of older ones the row stays when the content went."""
    with app.store.read() as tx:
        return tx.stack_versions(stack.name, limit=limit)


def exported(app: App, stack: Stack, version: int) -> str:
    """The state as JSON, as it rests: its secrets encrypted with the stack's key. Raises NotFound.

    version: 0 is the last one.
    """
    with app.store.read() as tx:
        return _content(tx, stack, version).decode()


def restored(app: App, where: Where, stack: Stack, version: int) -> int:
    """The number of the new version that is what `version` was. Nothing in the world changes.

    Raises Locked where somebody is at work there; NotFound where that version is not kept.
    """
    ungated(app, where[1])
    purpose = f"stack restore {stack.name} {version}"
    with held_for(app, *where, purpose=purpose) as lease:
        end_leftovers(app, *where)
        by = Writer(pipeline=where[0], environment=where[1], token=lease.token, run="")
        now = app.clock.now()
        update = StackUpdate(
            id=str(uuid4()), kind="restore", by=by, since=now, until=now + LEASE_LASTS
        )
        with app.store.write() as tx:
            current = tx.stack(stack.name)
            if current is None:
                raise NotFound(f"the stack {stack.name} is not there any more.")
            content = _content(tx, stack, version)
            new = tx.begin_update(stack.name, update, base=None)
            tx.save_deployment(stack.name, update, _deployment(content))
            tx.end_update(stack.name, update, result="succeeded", at=now)
            not_skipped(tx, where, _view(tx, stack).stages)
            tx.audit(
                actor=app.actor,
                verb="stack.restored",
                subject=str(stack.name),
                at=now,
                body={"from": current.version, "version": version, "new": new},
            )
    return new


def removed(app: App, where: Where, text: str) -> Stack:
    """The stack, empty, is not there any more. text: `name`, or `project/name`.

    Raises NotFound, Locked; Refused where it still holds something, which nothing would know of.
    """
    ungated(app, where[1])
    with held_for(app, *where, purpose=f"stack remove {text}") as lease:
        end_leftovers(app, *where)
        with app.store.write() as tx:
            found = _named(tx, where, text)
            if found.resources or found.pending:
                raise Refused(
                    f"the stack {found.name} has {found.resources} resources and {found.pending} "
                    "operations that have not ended: removed, nothing would know of them.",
                    holds="Nothing was changed.",
                    next="Put its stage back and empty it first: docs/stacks.md says how.",
                )
            by = Writer(pipeline=where[0], environment=where[1], token=lease.token, run="")
            tx.remove_stack(found.name, by, app.clock.now())
            tx.audit(
                actor=app.actor,
                verb="stack.removed",
                subject=str(found.name),
                at=app.clock.now(),
                body={"version": found.version},
            )
    return found


def _named(tx: Transaction, where: Where, text: str) -> Stack:
    here = [stack for stack in tx.stacks() if (stack.pipeline, stack.environment) == where]
    found = [stack for stack in here if text in (stack.name.name, str(stack.name))]
    if len(found) == 1:
        return found[0]
    known = ", ".join(sorted(str(stack.name) for stack in here)) or "none"
    what = "several are named so" if found else "there is no such stack"
    raise NotFound(f"'{text}' in {where[1]}: {what}; stacks: {known}.")


def not_skipped(tx: Transaction, where: Where, stages: Sequence[str]) -> None:
    """Equal inputs prove nothing of a state that somebody put there: the stages run again."""
    for here in tx.in_place(*where):
        if here.stage in stages and not here.inputs_digest.startswith(STALE):
            tx.put_in_place(replace(here, inputs_digest=STALE + here.inputs_digest))


def ungated(app: App, environment: str) -> None:
    """Raises Refused where nothing may be changed by hand."""
    if app.project.environments[environment].gate:
        raise Refused(
            f"{environment} has a gate: nothing is changed there by hand.",
            holds="Nothing was changed.",
        )


def _content(tx: Transaction, stack: Stack, version: int) -> bytes:
    content = tx.deployment(stack.name, version)
    if content is not None:
        return content
    kept = [
        str(each.version)
        for each in tx.stack_versions(stack.name)
        if each.digest and tx.deployment(stack.name, each.version) is not None
    ]
    what = (
        f"version {version} of the stack {stack.name} is not kept"
        if version
        else (f"the stack {stack.name} is empty")
    )
    raise NotFound(
        f"{what}; kept: {', '.join(kept) or 'none'}.", next="See: orchestrator stack history"
    )


def _deployment(content: bytes) -> Deployment:
    body = json.loads(content)["deployment"]
    return Deployment(
        content=content,
        resources=len(body.get("resources") or ()),
        pending=len(body.get("pending_operations") or ()),
    )


def _view(tx: Transaction, stack: Stack) -> StackView:
    versions = tx.stack_versions(stack.name)
    stages = dict.fromkeys(version.stage for version in versions if version.stage)
    return StackView(stack=stack, stages=tuple(stages), last=versions[0] if versions else None)
