"""What must come before what, and why?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from heapq import heapify, heappop, heappush

from orchestrator.core.references import references_in
from orchestrator.model.definitions import Pipeline, Stage
from orchestrator.model.errors import DefinitionError
from orchestrator.model.positions import Position, Problem
from orchestrator.model.values import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`stage` cannot begin before `needs` has ended; `why` is written at `position`."""

    stage: str
    needs: str
    why: str  # "needs", or the reference: "stages.hosts.outputs.url"
    position: Position | None = None

    def __str__(self) -> str:
        how = f"needs '{self.needs}'" if self.why == "needs" else f"refers to {self.why}"
        return f"'{self.stage}' {how}" + (f" ({self.position})" if self.position else "")


@dataclass(frozen=True)
class Graph:
    """The stages of a pipeline in declared order, with the edges to what each needs."""

    edges: Mapping[str, tuple[Edge, ...]]  # every stage has an entry; one edge a pair

    def __iter__(self) -> Iterator[str]:
        return iter(self.edges)

    def __contains__(self, name: object) -> bool:
        return name in self.edges

    def needs(self, name: str) -> tuple[str, ...]:
        """What a stage needs directly, in the order it is written."""
        return tuple(edge.needs for edge in self.edges[name])

    def needed_by(self, name: str) -> tuple[str, ...]:
        """What needs a stage directly, in declared order."""
        return self._needed_by[name]

    @cached_property
    def _needed_by(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {name: [] for name in self.edges}
        for name, edges in self.edges.items():
            for edge in edges:
                found[edge.needs].append(name)
        return {name: tuple(names) for name, names in found.items()}


def graph_of(pipeline: Pipeline) -> Graph:
    """The pipeline's graph. Raises DefinitionError with all of `graph_problems`."""
    problems = graph_problems(pipeline)
    if problems:
        raise DefinitionError(problems)
    return Graph(_edges(pipeline))


def graph_problems(pipeline: Pipeline) -> tuple[Problem, ...]:
    """Needs of stages that do not exist, else the first cycle.

    A reference to a stage that does not exist is no edge; core.scope tells of it.
    """
    unknown = tuple(_unknown_needs(pipeline))
    if unknown:
        return unknown
    cycle = find_cycle(Graph(_edges(pipeline)))
    return (_cycle_problem(cycle),) if cycle else ()


def find_cycle(graph: Graph) -> tuple[Edge, ...]:
    """The edges of the first cycle, each leading to the stage of the next; empty if there is none.

    First: the one through the stage that is declared first.
    """
    done: set[str] = set()
    for start in graph:
        if start not in done:
            cycle = _cycle_from(graph, start, done)
            if cycle:
                return _first_declared_first(graph, cycle)
    return ()


def ordered(graph: Graph) -> tuple[str, ...]:
    """All stages, each after what it needs; in declared order where that leaves a choice.

    Raises ValueError where the graph has a cycle.
    """
    place = {name: number for number, name in enumerate(graph)}
    waits = {name: len(graph.edges[name]) for name in graph}
    ready = [place[name] for name in graph if not waits[name]]
    heapify(ready)
    names = tuple(graph)
    answer: list[str] = []
    while ready:
        name = names[heappop(ready)]
        answer.append(name)
        for other in graph.needed_by(name):
            waits[other] -= 1
            if not waits[other]:
                heappush(ready, place[other])
    if len(answer) < len(names):
        raise ValueError("a graph with a cycle has no order")
    return tuple(answer)


def turned(graph: Graph) -> Graph:
    """The graph of taking away: what was needed now waits for what needed it."""
    edges: dict[str, list[Edge]] = {name: [] for name in graph}
    for those in graph.edges.values():
        for edge in those:
            back = Edge(
                stage=edge.needs, needs=edge.stage, why=f"needed by {edge}", position=edge.position
            )
            edges[edge.needs].append(back)
    return Graph({name: tuple(each) for name, each in edges.items()})


def _edges(pipeline: Pipeline) -> Mapping[str, tuple[Edge, ...]]:
    return {name: tuple(_edges_of(stage, pipeline)) for name, stage in pipeline.stages.items()}


def _edges_of(stage: Stage, pipeline: Pipeline) -> Iterator[Edge]:
    """One edge a pair: a `needs` explains more than a reference, and earlier more than later."""
    seen: set[str] = set()
    for edge in _all_edges_of(stage, pipeline):
        if edge.needs in pipeline.stages and edge.needs not in seen:
            seen.add(edge.needs)
            yield edge


def _all_edges_of(stage: Stage, pipeline: Pipeline) -> Iterator[Edge]:
    for number, name in enumerate(stage.needs):
        position = _needs_position(stage, number, pipeline)
        yield Edge(stage=stage.name, needs=name, why="needs", position=position)
    for reference in references_in(stage.spec):
        if _is_of_stage(reference):
            yield _reference_edge(stage, reference)
    for reference in references_in(stage.destroy):  # which may read what the stage itself put out
        if _is_of_stage(reference) and reference.path[1] != stage.name:
            yield _reference_edge(stage, reference)


def _is_of_stage(reference: Reference) -> bool:
    return len(reference.path) > 1 and reference.path[0] == "stages"


def _reference_edge(stage: Stage, reference: Reference) -> Edge:
    return Edge(
        stage=stage.name,
        needs=reference.path[1],
        why=str(reference),
        position=reference.position or stage.position,
    )


def _needs_position(stage: Stage, number: int, pipeline: Pipeline) -> Position:
    path = f"stages.{stage.name}.needs"
    written = pipeline.positions
    return written.get(f"{path}.{number}") or written.get(path) or stage.position


def _unknown_needs(pipeline: Pipeline) -> Iterator[Problem]:
    for stage in pipeline.stages.values():
        for number, name in enumerate(stage.needs):
            if name in pipeline.stages:
                continue
            close = get_close_matches(name, list(pipeline.stages), n=1)
            yield Problem(
                message=f"stage '{stage.name}' needs '{name}', which pipeline "
                f"'{pipeline.name}' does not define",
                position=_needs_position(stage, number, pipeline),
                length=len(name),
                help=f"did you mean '{close[0]}'?"
                if close
                else f"defined: {', '.join(pipeline.stages)}",
            )


def _cycle_problem(cycle: tuple[Edge, ...]) -> Problem:
    first = cycle[0]
    return Problem(
        message="stages need each other in a circle: " + ", ".join(map(str, cycle)),
        position=first.position,
        length=len(first.needs),
        help="take one of these edges away",
    )


def _cycle_from(graph: Graph, start: str, done: set[str]) -> tuple[Edge, ...]:
    """Depth first without recursion: a chain may be ten thousand stages long."""
    path: list[Edge] = []
    on_path = {start}
    choices = [iter(graph.edges[start])]
    while choices:
        edge = next(choices[-1], None)
        if edge is None:
            choices.pop()
            left = path.pop().needs if path else start
            on_path.discard(left)
            done.add(left)
        elif edge.needs in on_path:
            path.append(edge)
            return tuple(path[[each.stage for each in path].index(edge.needs) :])
        elif edge.needs not in done:
            path.append(edge)
            on_path.add(edge.needs)
            choices.append(iter(graph.edges[edge.needs]))
    return ()


def _first_declared_first(graph: Graph, cycle: tuple[Edge, ...]) -> tuple[Edge, ...]:
    place = {name: number for number, name in enumerate(graph)}
    first = min(range(len(cycle)), key=lambda number: place[cycle[number].stage])
    return cycle[first:] + cycle[:first]
