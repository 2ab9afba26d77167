"""Which stages does `--select` mean?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

from orchestrator.core.graph import Graph
from orchestrator.model.errors import UsageError

DOTS = "..."


def select(graph: Graph, patterns: Sequence[str]) -> tuple[str, ...]:
    """The stages that any of the patterns means, in declared order; all where there is none.

    `app`: itself; `app...`: and all that needs it; `...app`: and all it needs; `...app...`: both.
    Also where a run destroys, the words mean the same stages. Raises UsageError for an unknown one.
    """
    if not patterns:
        return tuple(graph)
    chosen: set[str] = set()
    for pattern in patterns:
        chosen |= _meant(graph, pattern)
    return tuple(name for name in graph if name in chosen)


def left_out_by(graph: Graph, patterns: Sequence[str]) -> Mapping[str, str]:
    """Stage -> why it is left out, for `nodes_of`; empty where there are no patterns."""
    chosen = frozenset(select(graph, patterns))
    reason = f"not selected by --select {' '.join(patterns)}"
    return {name: reason for name in graph if name not in chosen}


def _meant(graph: Graph, pattern: str) -> set[str]:
    name = pattern.removeprefix(DOTS).removesuffix(DOTS)
    if name not in graph:
        raise UsageError(
            f"--select names stage '{name}', which the pipeline does not define.",
            next=_advice(graph, name),
        )
    meant = {name}
    if pattern.startswith(DOTS):
        meant |= _reached(name, graph.needs)
    if pattern.endswith(DOTS):
        meant |= _reached(name, graph.needed_by)
    return meant


def _reached(start: str, neighbours: Callable[[str], tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        for name in neighbours(todo.pop()):
            if name not in found:
                found.add(name)
                todo.append(name)
    return found


def _advice(graph: Graph, name: str) -> str:
    close = get_close_matches(name, list(graph), n=1)
    return f"Did you mean '{close[0]}'?" if close else f"It defines: {', '.join(graph)}."
