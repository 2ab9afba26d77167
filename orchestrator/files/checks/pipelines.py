"""Is a pipeline right in itself: its order, its references, its variables, its stages?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from orchestrator.core.graph import graph_problems
from orchestrator.core.scope import Scope
from orchestrator.core.uses import Misuse, misuses, misuses_of_value
from orchestrator.files.complaints import place_of
from orchestrator.files.loading import Loaded
from orchestrator.files.sources import Path
from orchestrator.files.words import did_you_mean, shown
from orchestrator.model.definitions import CommandSpec, Pipeline, Stage, StageKind, Variable
from orchestrator.model.positions import Position, Problem
from orchestrator.model.types import TypeName, ValueType, mismatch
from orchestrator.model.values import Reference, Text, Tree

_NUMBERS = (TypeName.INT, TypeName.NUMBER)
_WITH_DESTROY = (StageKind.ANSIBLE, StageKind.COMMAND)
_WITHOUT_OUTPUTS = (StageKind.CHECK, StageKind.APPROVAL)


def pipeline_problems(loaded: Loaded[Pipeline]) -> Iterator[Problem]:
    """All that can be told of a pipeline without looking at environments and folders."""
    yield from _order(loaded)
    scope = Scope(loaded.value)
    for stage in loaded.value.stages.values():
        yield from _references(stage, scope, loaded)
        yield from _stage(stage, loaded)
    for variable in loaded.value.vars.values():
        yield from _variable(variable, loaded)


def value_claim(value: Tree, variable: Variable) -> str:
    """Why a value cannot fill a variable; empty where it can, as far as is known now."""
    claim = mismatch(value, variable.type)
    if claim or isinstance(value, Reference | Text):
        return claim
    if isinstance(value, int | float):
        if variable.min is not None and value < variable.min:
            return f"must be at least {variable.min:g}, not {value}"
        if variable.max is not None and value > variable.max:
            return f"must be at most {variable.max:g}, not {value}"
    if variable.one_of and value not in variable.one_of:
        words = ", ".join(str(item) for item in variable.one_of)
        return f"must be one of {words}, not {shown(value)}"
    return ""


def literal_secret(value: Tree, type_: ValueType) -> bool:
    """Whether a value of a secret type stands in the file in clear."""
    return type_.is_secret and value is not None and not isinstance(value, Reference | Text)


def told(misuse: Misuse, loaded: Loaded[Pipeline]) -> bool:
    """Whether a misuse follows from something that was left out as wrong."""
    if not misuse.undeclared or misuse.reference is None:
        return False
    if any(len(path) == 1 for path in loaded.left_out):
        return True
    return not loaded.is_whole(*misuse.reference.path[:2])


def _order(loaded: Loaded[Pipeline]) -> Iterator[Problem]:
    """Needs that do not exist, and besides them the first circle."""
    pipeline = loaded.value
    gone = [str(path[1]) for path in loaded.left_out if path[0] == "stages" and len(path) == 2]
    known = _with_stages(pipeline, gone)
    problems = graph_problems(known)
    yield from problems
    named = [name for stage in pipeline.stages.values() for name in stage.needs]
    if problems and not set(named) <= set(known.stages):
        yield from graph_problems(_with_stages(known, named))


def _with_stages(pipeline: Pipeline, names: list[str]) -> Pipeline:
    """The pipeline with stages of these names, so that nothing is said of their absence."""
    absent = [name for name in names if name not in pipeline.stages]
    at = Position(file=pipeline.file, line=1, column=1)
    spec = CommandSpec(run=("true",))
    stages = {n: Stage(name=n, kind=StageKind.COMMAND, spec=spec, position=at) for n in absent}
    return replace(pipeline, stages={**pipeline.stages, **stages})


def _references(stage: Stage, scope: Scope, loaded: Loaded[Pipeline]) -> Iterator[Problem]:
    top: Path = ("stages", stage.name, stage.kind.value)
    found = [(top, misuse) for misuse in misuses(stage.spec, scope)]
    if stage.destroy:
        below: Path = ("stages", stage.name, "destroy")
        found += [(below, misuse) for misuse in misuses(stage.destroy, scope)]
    for where, misuse in found:
        if told(misuse, loaded):
            continue
        at = misuse.reference.position if misuse.reference else None
        position = at or place_of(loaded.document, (*where, *misuse.path)).value
        literal = misuse.reference is None
        yield Problem(message=misuse.message, position=position, help=misuse.help, private=literal)


def _stage(stage: Stage, loaded: Loaded[Pipeline]) -> Iterator[Problem]:
    path: Path = ("stages", stage.name)
    if stage.outputs and stage.kind in _WITHOUT_OUTPUTS:
        at = loaded.document.place((*path, "outputs")).named
        message = f"a stage of kind {stage.kind.value} has no outputs"
        yield Problem(message=message, position=at, help="take them away")
    if stage.destroy:
        yield from _destroy(stage, loaded)


def _destroy(stage: Stage, loaded: Loaded[Pipeline]) -> Iterator[Problem]:
    path: Path = ("stages", stage.name, "destroy")
    at = loaded.document.place(path).named
    if stage.kind not in _WITH_DESTROY:
        gone = "the stack itself is destroyed" if stage.kind is StageKind.PULUMI else "take it away"
        message = f"a stage of kind {stage.kind.value} needs no 'destroy'"
        yield Problem(message=message, position=at, help=gone)
        return
    written = [key for key in _keys(loaded, path) if key != "command"]
    command = "command" in _keys(loaded, path)
    if command and written:
        at = loaded.document.place((*path, written[0])).named
        message = f"'{written[0]}' cannot stand beside a command in {'.'.join(map(str, path))}"
        yield Problem(message=message, position=at)
    elif not command and "playbook" not in written and loaded.is_whole(*map(str, path)):
        message = f"'destroy' in stages.{stage.name} names neither a playbook nor a command"
        yield Problem(message=message, position=at)


def _keys(loaded: Loaded[Pipeline], path: Path) -> list[str]:
    depth = len(path) + 1
    known = [known for known in loaded.document.places if known[:-1] == path]
    return [str(key[-1]) for key in known if len(key) == depth]


def _variable(variable: Variable, loaded: Loaded[Pipeline]) -> Iterator[Problem]:
    path: Path = ("vars", variable.name)
    for key in ("min", "max"):
        if getattr(variable, key) is not None and variable.type.name not in _NUMBERS:
            at = loaded.document.place((*path, key)).named
            message = f"'{key}' is for int and number, and '{variable.name}' is {variable.type}"
            yield Problem(message=message, position=at)
    if variable.min is not None and variable.max is not None and variable.min > variable.max:
        at = loaded.document.place((*path, "min")).value
        yield Problem(message="'min' is greater than 'max'", position=at)
    for index, value in enumerate(variable.one_of):
        claim = mismatch(value, variable.type)
        if claim:
            at = loaded.document.place((*path, "one_of", index)).value
            yield Problem(message=f"an item of 'one_of' {claim}", position=at)
    if variable.has_default:
        yield from _default(variable, loaded)


def _default(variable: Variable, loaded: Loaded[Pipeline]) -> Iterator[Problem]:
    at = loaded.document.place(("vars", variable.name, "default")).value
    if literal_secret(variable.default, variable.type):
        message = f"the default of '{variable.name}' is a secret in clear"
        help = "use a reference to secrets.NAME"
        yield Problem(message=message, position=at, help=help, private=True)
        return
    claim = value_claim(variable.default, variable)
    if claim:
        yield Problem(message=f"the default of '{variable.name}' {claim}", position=at)
    for misuse in misuses_of_value(variable.default, variable.type, Scope(loaded.value)):
        if not told(misuse, loaded):
            where = misuse.reference.position if misuse.reference else at
            yield Problem(message=misuse.message, position=where, help=misuse.help)


def unknown(word: str, known: list[str]) -> str:
    """Advice for a name that nothing has."""
    return did_you_mean(word, known) or "there are none"
