"""Does an environment fill what the pipelines ask of it?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.core.references import references_in
from orchestrator.core.scope import Scope
from orchestrator.core.uses import misuses_of_value
from orchestrator.files.checks.pipelines import literal_secret, unknown, value_claim
from orchestrator.files.collecting import PROJECT_FILE, Collected
from orchestrator.files.loading import Loaded
from orchestrator.model.definitions import Environment, Pipeline, Stage, Variable
from orchestrator.model.positions import Problem
from orchestrator.model.values import Reference, Tree

_BACKEND = re.compile(r"builtin|(file|s3|gs|azblob|https?|postgres)://.+")


def environment_problems(loaded: Loaded[Environment], collected: Collected) -> Iterator[Problem]:
    """Variables, secrets, state and gate of one environment."""
    for pipeline in collected.pipelines.values():
        for variable in pipeline.value.vars.values():
            yield from _filled(variable, pipeline, loaded)
        yield from _secrets(pipeline, loaded)
    yield from _unknown_vars(loaded, collected)
    yield from _state(loaded)
    yield from _gate(loaded, collected)


def _filled(
    variable: Variable, pipeline: Loaded[Pipeline], loaded: Loaded[Environment]
) -> Iterator[Problem]:
    name, environment = variable.name, loaded.value
    if name in environment.vars:
        yield from _value(environment.vars[name], variable, pipeline, loaded)
    elif not variable.has_default and loaded.is_whole("vars", name) and not _typo(loaded):
        at = loaded.document.place(("vars",)).named
        yield Problem(
            message=f"environment '{environment.name}' does not fill '{name}' ({variable.type}), "
            f"which pipeline '{pipeline.value.name}' declares ({variable.position})",
            position=at,
            help=f"write vars: {{ {name}: … }}, or give the variable a default",
        )


def _value(
    value: Tree, variable: Variable, pipeline: Loaded[Pipeline], loaded: Loaded[Environment]
) -> Iterator[Problem]:
    place = loaded.document.place(("vars", variable.name))
    at = place.named if isinstance(value, dict | list) else place.value
    if literal_secret(value, variable.type):
        help = f"write secrets: {{ NAME: env://… }} and {variable.name}: ${{{{ secrets.NAME }}}}"
        message = f"'{variable.name}' is a secret, and stands here in clear"
        yield Problem(message=message, position=at, help=help, private=True)
        return
    claim = value_claim(value, variable)
    if claim:
        help = f"it is declared at {variable.position}"
        yield Problem(message=f"'{variable.name}' {claim}", position=at, help=help)
    for misuse in misuses_of_value(value, variable.type, Scope(pipeline.value, loaded.value)):
        if misuse.undeclared and (not loaded.is_whole("secrets") or _typo(loaded)):
            continue
        where = misuse.reference.position if misuse.reference else at
        yield Problem(message=misuse.message, position=where, help=misuse.help)


def _typo(loaded: Loaded[Environment]) -> bool:
    """Whether a whole key of the environment was left out; it may be the one that is missed."""
    return any(len(path) == 1 for path in loaded.left_out)


def _secrets(pipeline: Loaded[Pipeline], loaded: Loaded[Environment]) -> Iterator[Problem]:
    """Secrets that stages name and the environment does not have, each once."""
    if not loaded.is_whole("secrets") or _typo(loaded):
        return
    seen = set(loaded.value.secrets)
    for stage in pipeline.value.stages.values():
        for reference in _stage_references(stage):
            if reference.path[0] != "secrets" or len(reference.path) != 2:
                continue
            name = reference.path[1]
            if name in seen:
                continue
            seen.add(name)
            yield Problem(
                message=f"environment '{loaded.value.name}' has no secret '{name}', "
                f"which stage '{stage.name}' uses ({reference.position or stage.position})",
                position=loaded.document.place(("secrets",)).named,
                help=f"write secrets: {{ {name}: env://… }}",
            )


def _stage_references(stage: Stage) -> Iterator[Reference]:
    yield from references_in(stage.spec)
    yield from references_in(stage.destroy)


def _unknown_vars(loaded: Loaded[Environment], collected: Collected) -> Iterator[Problem]:
    pipelines = list(collected.pipelines.values())
    unread = len(collected.named.get("Pipeline", ())) != len(pipelines)
    if unread or collected.may_have_more(PROJECT_FILE, "pipelines/"):
        return  # what could not be read may declare them
    known = list(dict.fromkeys(name for item in pipelines for name in item.value.vars))
    for name in loaded.value.vars:
        whole = all(item.is_whole("vars", name) and not _typo_in(item) for item in pipelines)
        if name in known or not whole:
            continue
        at = loaded.document.place(("vars", name)).named
        message = f"no pipeline declares the variable '{name}'"
        yield Problem(message=message, position=at, help=unknown(name, known))


def _typo_in(pipeline: Loaded[Pipeline]) -> bool:
    return any(len(path) == 1 for path in pipeline.left_out)


def _state(loaded: Loaded[Environment]) -> Iterator[Problem]:
    state = loaded.value.state
    if state and not _BACKEND.fullmatch(state.backend):
        at = loaded.document.place(("state", "backend")).value
        message = f"'state' must be builtin or the URL of a Pulumi backend, not '{state.backend}'"
        help = "such as file://…, s3://…, gs://…, azblob://… or https://…"
        yield Problem(message=message, position=at, help=help)


def _gate(loaded: Loaded[Environment], collected: Collected) -> Iterator[Problem]:
    gate = loaded.value.gate
    if not gate:
        return
    at = loaded.document.place(("gate",)).value
    known = collected.named.get("Gate", set())
    if gate not in known and not collected.may_have_more("policies/"):
        message = f"environment '{loaded.value.name}' names the gate '{gate}', which does not exist"
        help = unknown(gate, sorted(known))
        if help == "there are none":
            help = f"write policies/{gate}.yaml with kind: Gate and name: {gate}"
        yield Problem(message=message, position=at, help=help)
    project = collected.project
    if project and not project.value.protected and project.is_whole("protected"):
        message = "a gate needs 'protected:' in the Project: the git ref it is read from"
        yield Problem(
            message=message, position=at, help="write protected: main in orchestrator.yaml"
        )
