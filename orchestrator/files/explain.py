"""Where does a value come from?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core.references import references_in
from orchestrator.files.render import Known, chosen, shown
from orchestrator.files.resolved import definition_tree
from orchestrator.files.words import did_you_mean
from orchestrator.model.definitions import Environment, Pipeline, Project, StageKind
from orchestrator.model.errors import UsageError
from orchestrator.model.positions import Position
from orchestrator.model.values import Json, Reference

_KINDS = tuple(kind.value for kind in StageKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One step of a value's way: what it is called there, what it is, where it is written."""

    path: str  # stages.hosts.pulumi.config.subnet, vars.cidr, stages.network.outputs.subnet
    value: Json  # as far as files can tell; a secret is *****
    position: Position | None
    note: str  # why this is the next step
    depth: int = 0  # steps from the value that was asked for


def explain(project: Project, pipeline: str, environment: str, path: str) -> tuple[Link, ...]:
    """The chain of a value, itself first, then what it refers to, depth first.

    path: as in `render`; the kind of a stage may be left out (stages.hosts.config.subnet).
    pipeline: empty for the only one. Raises UsageError where nothing is there.
    """
    found, place = chosen(project, pipeline, environment)
    return tuple(_Explaining(found, place).chain(path))


class _Explaining:
    def __init__(self, pipeline: Pipeline, environment: Environment) -> None:
        self._pipeline = pipeline
        self._environment = environment
        self._known = Known(pipeline, environment)

    def chain(self, path: str) -> Iterator[Link]:
        if path.split(".")[0] in ("vars", "secrets") or ".outputs." in path:
            reference = Reference(path=tuple(path.split(".")))
            links = tuple(self._referred(reference, 0))
            if links:
                yield from links
                return
        tree = definition_tree(self._pipeline, self._environment)
        full, value = _found(tree, path)
        position = _position(self._pipeline.positions, full)
        yield self._link(full, value, position, f"set in pipeline '{self._pipeline.name}'", 0)
        yield from self._all_referred(value, 1)

    def _all_referred(self, value: Any, depth: int) -> Iterator[Link]:
        for reference in dict.fromkeys(references_in(value)):
            yield from self._referred(reference, depth)

    def _referred(self, reference: Reference, depth: int) -> Iterator[Link]:
        path = str(reference)
        match reference.path:
            case ("vars", name) if name in self._pipeline.vars:
                yield from self._variable(name, path, depth)
            case ("secrets", name) if name in self._environment.secrets:
                at = self._environment.positions.get(path)
                note = f"secret, read from {self._environment.secrets[name]} when a stage asks"
                yield Link(path=path, value="*****", position=at, note=note, depth=depth)
            case ("stages", stage, "outputs", _) if path in self._pipeline.positions:
                type_ = self._pipeline.stages[stage].outputs[reference.path[3]]
                note = f"output of stage '{stage}', {type_}"
                at = self._pipeline.positions[path]
                yield self._link(path, reference, at, note, depth)
            case ("env", "name"):
                at = self._environment.positions.get("name")
                yield self._link(path, reference, at, "the environment's name", depth)
            case ("release", *_):
                at = self._pipeline.positions.get(".".join(reference.path[1:3]))
                yield self._link(path, reference, at, "of the release that is run", depth)

    def _variable(self, name: str, path: str, depth: int) -> Iterator[Link]:
        environment, variable = self._environment, self._pipeline.vars[name]
        if name in environment.vars:
            at, value = environment.positions.get(path), environment.vars[name]
            note = f"set in environment '{environment.name}'"
            if at and environment.files and at.file != environment.files[0]:
                note += f", which extends {at.file}"
        elif variable.has_default:
            positions = self._pipeline.positions
            at = positions.get(f"{path}.default", variable.position)
            note, value = f"default in pipeline '{self._pipeline.name}'", variable.default
        else:
            return
        yield self._link(path, value, at, note, depth)
        yield from self._all_referred(value, depth + 1)

    def _link(
        self, path: str, value: Any, position: Position | None, note: str, depth: int
    ) -> Link:
        seen = shown(value, self._known)
        return Link(path=path, value=seen, position=position, note=note, depth=depth)


def _found(tree: Mapping[str, Any], path: str) -> tuple[str, Any]:
    """The full path and the value there. Raises UsageError naming what is there instead."""
    value: Any = tree
    full: list[str] = []
    parts = path.split(".")
    while parts:
        children = _children(value, full)
        for count in range(len(parts), 0, -1):  # a key may have dots in it
            key = ".".join(parts[:count])
            if key in children:
                steps, value = children[key]
                full += steps
                parts = parts[count:]
                break
        else:
            where = ".".join(full) or "this pipeline"
            help = did_you_mean(parts[0], children, "there are")
            raise UsageError(f"'{parts[0]}' is not in {where}; {help or 'it has no parts'}")
    return ".".join(full), value


def _children(value: Any, full: list[str]) -> dict[str, tuple[list[str], Any]]:
    """What stands below a value, by key: the keys that lead there and the value."""
    if isinstance(value, list):
        return {str(index): ([str(index)], item) for index, item in enumerate(value)}
    if not isinstance(value, Mapping):
        return {}
    children = {key: ([key], item) for key, item in value.items()}
    if len(full) == 2 and full[0] == "stages":
        kind = next(key for key in value if key in _KINDS)
        below = {key: ([kind, key], item) for key, item in value[kind].items()}
        children = {**below, **children}
    return children


def _position(positions: Mapping[str, Position], path: str) -> Position | None:
    """Where a path is written, or else the nearest that holds it (short forms)."""
    while path not in positions and path:
        path = path.rpartition(".")[0]
    return positions.get(path)
