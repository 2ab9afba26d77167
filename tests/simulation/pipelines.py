"""Which project does a seed have? One pipeline of every shape, in two environments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from orchestrator.core.graph import graph_of
from orchestrator.model.definitions import (
    AnsibleSpec,
    Cause,
    CheckSpec,
    CommandSpec,
    Environment,
    Limits,
    OnFailure,
    Pipeline,
    Project,
    PulumiSpec,
    Retry,
    Stage,
    StageKind,
    StageSpec,
    StateBackend,
    When,
)
from orchestrator.model.positions import Position
from orchestrator.model.types import STRING
from orchestrator.model.values import Reference, Tree
from tests.simulation.chance import Dice

PIPELINE = "p"
ENVIRONMENTS = ("dev", "test")
HERE = Position(file="orchestrator.yaml", line=1, column=1)
KINDS = ((4, StageKind.COMMAND), (3, StageKind.PULUMI), (2, StageKind.ANSIBLE))
WHENS = ((8, When.SUCCESS), (1, When.FAILURE), (1, When.ALWAYS))
OUTPUT = "v"


def project(dice: Dice, *, machines: int) -> Project:
    state = StateBackend(backend="builtin")
    environments = {
        name: Environment(name=name, state=state, limits=_limits(dice), position=HERE)
        for name in ENVIRONMENTS
    }
    return Project(
        id="simulated-1",
        store="local" if machines == 1 else "postgresql://simulated/store",
        pipelines={PIPELINE: _pipeline(dice)},
        environments=environments,
        position=HERE,
    )


def _pipeline(dice: Dice) -> Pipeline:
    names = [f"s{number}" for number in range(dice.number(1, 7))]
    stages = [_stage(dice, name, names[:number]) for number, name in enumerate(names)]
    declared = {stage.name: stage for stage in dice.shuffled(stages)}
    pipeline = Pipeline(name=PIPELINE, stages=declared, limits=_limits(dice), file=HERE.file)
    graph_of(pipeline)
    return pipeline


def _limits(dice: Dice) -> Limits:
    kinds = {StageKind.COMMAND: 1} if dice.one_in(8) else {}
    return Limits(run=dice.weighed(((5, 0), (2, 1), (2, 2))), kinds=kinds)


def _stage(dice: Dice, name: str, before: list[str]) -> Stage:
    kind = dice.weighed(KINDS)
    read = dice.some(before, most=2) if dice.one_in(2) else ()
    when = dice.weighed(WHENS)
    return Stage(
        name=name,
        kind=kind,
        spec=_spec(kind, name, read if when is When.SUCCESS else ()),
        needs=dice.some([n for n in before if n not in read], most=2),
        when=when,
        timeout=timedelta(minutes=5) if dice.one_in(4) else None,
        retry=_retry(dice),
        on_failure=dice.weighed(((3, OnFailure.STOP), (2, OnFailure.CONTINUE))),
        outputs={OUTPUT: STRING},
        once=dice.one_in(12),
        irreversible=dice.one_in(6),
        destroy=_destroy(dice, kind, name),
        position=HERE,
    )


def _spec(kind: StageKind, name: str, read: tuple[str, ...]) -> StageSpec:
    values: Mapping[str, Tree] = {other: reference(other) for other in read}
    match kind:
        case StageKind.PULUMI:
            return PulumiSpec(project=f"stacks/{name}", config=values)
        case StageKind.ANSIBLE:
            return AnsibleSpec(playbook=f"{name}.yml", vars=values)
        case StageKind.CHECK:
            return CheckSpec(url="http://localhost")
        case _:
            return CommandSpec(run=("do", name, *values.values()))


def reference(stage: str) -> Reference:
    return Reference(path=("stages", stage, "outputs", OUTPUT))


def _retry(dice: Dice) -> Retry:
    on = tuple(Cause) if dice.one_in(2) else (Cause.UNREACHABLE, Cause.TIMEOUT)
    backoff = timedelta(seconds=dice.of((0, 1, 10)))
    return Retry(attempts=dice.weighed(((4, 1), (3, 2), (2, 3))), on=on, backoff=backoff)


def _destroy(dice: Dice, kind: StageKind, name: str) -> CommandSpec | None:
    if kind is StageKind.PULUMI or dice.one_in(2):
        return None
    return CommandSpec(run=("undo", name))
