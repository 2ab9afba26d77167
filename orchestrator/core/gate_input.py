"""What are a gate's rules told? One document about a change set, as gate-input.schema.json has it.

Values of inputs are not told, only whether they are secret and whether they stand in the file: what
rules print is stored, and shown to whoever asks why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from orchestrator.core.references import references_in
from orchestrator.core.scope import Scope, Undeclared, variables
from orchestrator.model.definitions import (
    AnsibleSpec,
    CommandSpec,
    Environment,
    Pipeline,
    PulumiSpec,
    Stage,
    StageKind,
)
from orchestrator.model.runs import Changes, Plan, Row
from orchestrator.model.values import Json, Reference, Secret, Text, Tree


def gate_input(
    pipeline: Pipeline,
    environment: Environment,
    plans: Sequence[tuple[str, Plan]],
    *,
    action: str,
    release: tuple[str, str],
    now: datetime,
) -> dict[str, Json]:
    """plans: stage and plan, in the order they may run. release: name and digest. now: UTC."""
    scope = Scope(pipeline, environment)
    counts = [plan.changes for _, plan in plans]
    return {
        "schema": "gate-input/v1",
        "now": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "action": action,
        "pipeline": pipeline.name,
        "env": _environment(environment, variables(pipeline, environment)),
        "release": {"name": release[0], "digest": release[1]},
        "stages": [_stage(pipeline.stages[name], plan, scope) for name, plan in plans],
        "changes": {
            "counts": _counts(counts),
            "rows": [
                _row(pipeline.stages[name], row)
                for name, plan in plans
                for row in plan.rows
                if row.operation != "same"
            ],
        },
    }


def _environment(environment: Environment, vars: Mapping[str, Tree]) -> dict[str, Json]:
    protect = environment.protect
    return {
        "name": environment.name,
        "promote_from": list(environment.promote_from.environments),
        "protect": {"destroy": protect.destroy, "types": list(protect.types)},
        "vars": {name: _shown(value) for name, value in vars.items()},
    }


def _counts(counts: Sequence[Changes]) -> dict[str, Json]:
    return {
        "create": sum(count.create for count in counts),
        "update": sum(count.update for count in counts),
        "delete": sum(count.delete for count in counts),
        "replace": sum(count.replace for count in counts),
    }


def _stage(stage: Stage, plan: Plan, scope: Scope) -> dict[str, Json]:
    return {
        "name": stage.name,
        "kind": stage.kind.value,
        "planned": not plan.deferred,
        "why_not": plan.deferred,
        "inputs": [
            {"name": name, "secret": _is_secret(value, scope), "literal": _is_literal(value)}
            for name, value in _inputs(stage).items()
        ],
    }


def _inputs(stage: Stage) -> Mapping[str, Tree]:
    spec = stage.spec
    if isinstance(spec, PulumiSpec):
        return spec.config
    if isinstance(spec, AnsibleSpec):
        return spec.vars
    return spec.env if isinstance(spec, CommandSpec) else {}


def _is_secret(value: Tree, scope: Scope) -> bool:
    if isinstance(value, Secret):
        return True
    return any(_refers_to_secret(reference, scope) for reference in references_in(value))


def _refers_to_secret(reference: Reference, scope: Scope) -> bool:
    try:
        return scope.type_of(reference).is_secret
    except Undeclared:
        return False


def _is_literal(value: Tree) -> bool:
    return not isinstance(value, Secret) and not any(True for _ in references_in(value))


def _shown(value: Tree) -> Json:
    """A variable's value; references as they are written, secrets as stars."""
    if isinstance(value, Reference):
        return f"${{{{ {value} }}}}"
    if isinstance(value, Text):
        return "".join(part if isinstance(part, str) else str(_shown(part)) for part in value.parts)
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)  # a secret's text is stars


def _row(stage: Stage, row: Row) -> dict[str, Json]:
    """An address is a type and a name, or a host and a task (model.runs.Row)."""
    type_, host, name = "", "", row.address
    if stage.kind is StageKind.PULUMI and " " in row.address:
        type_, _, name = row.address.partition(" ")
    elif stage.kind is StageKind.ANSIBLE and ": " in row.address:
        host, _, name = row.address.partition(": ")
    return {
        "stage": stage.name,
        "tool": stage.kind.value,
        "op": row.operation,
        "type": type_,
        "name": name,
        "host": host,
        "certainty": row.certainty.value,
        "paths": list(row.paths),
    }
