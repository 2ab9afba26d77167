"""What does a pipeline come to in an environment, before anything has run?"""

from __future__ import annotations

from typing import Any

import yaml

from orchestrator.core.references import resolve
from orchestrator.core.scope import variables
from orchestrator.files.resolved import definition_tree
from orchestrator.files.words import did_you_mean
from orchestrator.model.definitions import Environment, Pipeline, Project
from orchestrator.model.errors import UsageError
from orchestrator.model.values import Json, Reference, Secret, Tree, masked


def render(project: Project, pipeline: str, environment: str) -> Json:
    """The resolved definition as plain data: pipeline, environment, vars, secrets, stages.

    Outputs stand as "(known after network)", what the release brings as "(known with the
    release)", secrets as *****. pipeline: empty for the only one. Raises UsageError for a name
    that is not there.
    """
    found, place = chosen(project, pipeline, environment)
    tree = definition_tree(found, place)
    lookup = Known(found, place)
    resolved = {key: resolve(tree[key], lookup) for key in ("vars", "stages")}
    secrets = dict.fromkeys(tree["secrets"], "*****")
    return {
        "pipeline": found.name,
        "environment": place.name,
        "vars": masked(resolved["vars"]),  # type: ignore[arg-type]  # nothing is left unresolved
        "secrets": dict(secrets),
        "stages": masked(resolved["stages"]),  # type: ignore[arg-type]  # as above
    }


def render_text(project: Project, pipeline: str, environment: str) -> str:
    """The resolved definition as YAML."""
    data = render(project, pipeline, environment)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def chosen(project: Project, pipeline: str, environment: str) -> tuple[Pipeline, Environment]:
    """The two by name; the only pipeline for an empty one. Raises UsageError."""
    if not pipeline and len(project.pipelines) == 1:
        pipeline = next(iter(project.pipelines))
    if pipeline not in project.pipelines:
        help = did_you_mean(pipeline, project.pipelines, "pipelines")
        what = f"there is no pipeline '{pipeline}'" if pipeline else "which pipeline is meant?"
        raise UsageError(f"{what} {help}".strip())
    if environment not in project.environments:
        help = did_you_mean(environment, project.environments, "environments")
        raise UsageError(f"there is no environment '{environment}'; {help}")
    return project.pipelines[pipeline], project.environments[environment]


class Known:
    """What each reference stands for as far as files can tell, in words where they cannot."""

    def __init__(self, pipeline: Pipeline, environment: Environment) -> None:
        self._environment = environment
        self._variables = variables(pipeline, environment)

    def __call__(self, reference: Reference) -> Tree:
        match reference.path:
            case ("vars", name):
                return resolve(self._variables[name], self)
            case ("stages", stage, "outputs", _):
                return f"(known after {stage})"
            case ("env", "name"):
                return self._environment.name
            case ("secrets", _):
                return Secret("*****")
        return "(known with the release)"


def shown(tree: Any, known: Known) -> Json:
    """A tree for eyes: resolved as far as files can tell, secrets masked."""
    resolved: Any = resolve(tree, known)
    return masked(resolved)
