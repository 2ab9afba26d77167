"""Does every Pulumi stage have a stack to itself?

Two stages on one stack would take each other's resources away; so would two environments, and their
leases would not keep them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from orchestrator.files.checks.folders import project_name, stack_name
from orchestrator.files.collecting import Collected
from orchestrator.files.complaints import place_of
from orchestrator.files.loading import Loaded
from orchestrator.model.definitions import Environment, Pipeline, PulumiSpec, Stage
from orchestrator.model.positions import Problem

_Stack = tuple[str, str, str]  # backend, Pulumi project, name
_User = tuple[str, str, str]  # pipeline, stage, environment


def stack_problems(collected: Collected, root: FilePath) -> Iterator[Problem]:
    """Stages whose stack is another one's already, each once; unknown names are not compared."""
    users: dict[_Stack, _User] = {}
    for pipeline in collected.pipelines.values():
        for stage in pipeline.value.stages.values():
            for environment in collected.environments.values():
                stack = _stack(stage, pipeline.value, environment.value, root)
                if stack is None:
                    continue
                me = (pipeline.value.name, stage.name, environment.value.name)
                first = users.setdefault(stack, me)
                if first != me:
                    yield _problem(pipeline, stage, stack, me, first)
                    break


def _stack(
    stage: Stage, pipeline: Pipeline, environment: Environment, root: FilePath
) -> _Stack | None:
    if not isinstance(stage.spec, PulumiSpec):
        return None
    project = project_name(root / stage.spec.project)
    name = stack_name(stage.spec.stack, pipeline, environment)
    backend = environment.state.backend if environment.state else ""
    return (backend, project, name) if project and name else None


def _problem(
    pipeline: Loaded[Pipeline], stage: Stage, stack: _Stack, me: _User, first: _User
) -> Problem:
    _, project, name = stack
    where = f" in {me[2]}" if first[2] == me[2] else f" in {me[2]} and {first[2]}"
    other = "itself" if first[:2] == me[:2] else f"stage '{first[1]}'"
    if first[0] != me[0]:
        other += f" of pipeline '{first[0]}'"
    key = "stack" if first[2] != me[2] else "project"
    path = ("stages", stage.name, stage.kind.value, key)
    return Problem(
        message=f"stage '{stage.name}' would share stack '{project}/{name}' with {other}{where}",
        position=place_of(pipeline.document, path).value,
        help="give each a stack of its own, such as stack: ${{ env.name }}-dns",
    )
