"""Does `promote_from` make a ladder?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from orchestrator.files.checks.pipelines import unknown
from orchestrator.files.collecting import Collected
from orchestrator.files.complaints import place_of
from orchestrator.files.loading import Loaded
from orchestrator.model.definitions import Environment
from orchestrator.model.positions import Position, Problem


def ladder_problems(collected: Collected) -> Iterator[Problem]:
    """Rungs that do not exist, rungs of two kinds at once, and the first circle."""
    environments = collected.environments
    known = sorted(collected.named.get("Environment", set()))
    for loaded in environments.values():
        for index, name in enumerate(loaded.value.promote_from.environments):
            if name not in known:
                yield Problem(
                    message=f"environment '{loaded.value.name}' is promoted from '{name}', "
                    "which does not exist",
                    position=_position(loaded, index),
                    help=unknown(name, [other for other in known if other != loaded.value.name]),
                )
        yield from _two_kinds(loaded)
    circle = _circle({name: loaded.value for name, loaded in environments.items()})
    if circle:
        yield _circle_problem(circle, environments)


def _two_kinds(loaded: Loaded[Environment]) -> Iterator[Problem]:
    keys = [key for key in ("all", "any") if ("promote_from", key) in loaded.document.places]
    if len(keys) == 2:
        at = loaded.document.place(("promote_from", "any")).named
        message = "'promote_from' has either all or any, not both"
        yield Problem(message=message, position=at)


def _position(loaded: Loaded[Environment], index: int) -> Position:
    kind = "any" if loaded.value.promote_from.any else "all"
    return place_of(loaded.document, ("promote_from", kind, index)).value


def _circle(environments: Mapping[str, Environment]) -> list[str]:
    """The first circle of promotion, its first environment again at the end; else empty."""
    done: set[str] = set()
    for start in environments:
        path: list[str] = []
        found = _circle_from(start, environments, path, done)
        if found:
            return found
    return []


def _circle_from(
    name: str, environments: Mapping[str, Environment], path: list[str], done: set[str]
) -> list[str]:
    if name in path:
        return [*path[path.index(name) :], name]
    if name in done or name not in environments:
        return []
    path.append(name)
    for below in environments[name].promote_from.environments:
        found = _circle_from(below, environments, path, done)
        if found:
            return found
    path.pop()
    done.add(name)
    return []


def _circle_problem(circle: list[str], environments: Mapping[str, Loaded[Environment]]) -> Problem:
    edges = []
    for name, below in pairwise(circle):
        loaded = environments[name]
        index = loaded.value.promote_from.environments.index(below)
        edges.append(f"'{name}' from '{below}' ({_position(loaded, index)})")
    first = environments[circle[0]]
    index = first.value.promote_from.environments.index(circle[1])
    return Problem(
        message=f"environments are promoted from each other in a circle: {', '.join(edges)}",
        position=_position(first, index),
        help="take one of these away; the first rung has no promote_from",
    )
