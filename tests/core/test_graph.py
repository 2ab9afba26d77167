"""Are the edges those that were written, and is a circle told with every line that makes it?"""

from collections.abc import Mapping

import pytest

from orchestrator.core.graph import find_cycle, graph_of, graph_problems, ordered, turned
from orchestrator.core.selection import left_out_by, select
from orchestrator.model.definitions import CommandSpec, Pipeline, Stage, StageKind
from orchestrator.model.errors import DefinitionError, UsageError
from orchestrator.model.positions import Position
from orchestrator.model.values import Reference, Text


def at(line: int) -> Position:
    return Position(file="orchestrator.yaml", line=line, column=5)


def stage(name: str, line: int, *needs: str, run: tuple[Reference | Text | str, ...] = ()) -> Stage:
    return Stage(
        name=name,
        kind=StageKind.COMMAND,
        spec=CommandSpec(run=run or ("true",)),
        needs=needs,
        position=at(line),
    )


def output_of(name: str, line: int) -> Reference:
    return Reference(path=("stages", name, "outputs", "url"), position=at(line))


def pipeline(*stages: Stage, positions: Mapping[str, Position] | None = None) -> Pipeline:
    return Pipeline(
        name="core",
        stages={each.name: each for each in stages},
        positions=positions or {},
        file="orchestrator.yaml",
    )


DIAMOND = pipeline(
    stage("smoke", 1, "app", "edge"),
    stage("network", 2),
    stage("edge", 3, "hosts"),
    stage("app", 4, "hosts"),
    stage("hosts", 5, run=("use", output_of("network", 6))),
)


def test_edges_are_needs_and_references() -> None:
    """A reference is an edge, also inside text; a pair has one edge, and the first cause stands."""
    graph = graph_of(
        pipeline(
            stage("a", 1),
            stage("b", 2),
            stage("c", 3, "b", run=(output_of("b", 4), Text(parts=("x", output_of("a", 5))))),
        )
    )
    assert graph.needs("c") == ("b", "a")
    assert [str(edge) for edge in graph.edges["c"]] == [
        "'c' needs 'b' (orchestrator.yaml:3)",
        "'c' refers to stages.a.outputs.url (orchestrator.yaml:5)",
    ]
    assert graph.needed_by("b") == ("c",)


def test_destroy_reads_own_outputs() -> None:
    """What a stage's `destroy` refers to is an edge, its own outputs are not."""
    destroy = CommandSpec(run=(output_of("b", 3), output_of("a", 3)))
    last = Stage(
        name="b",
        kind=StageKind.COMMAND,
        spec=CommandSpec(run=("true",)),
        destroy=destroy,
        position=at(2),
    )
    assert graph_of(pipeline(stage("a", 1), last)).needs("b") == ("a",)


def test_unknown_need() -> None:
    """A need of a stage that does not exist is told with its place and what was meant."""
    given = pipeline(
        stage("network", 1),
        stage("app", 2, "netwrk", "vpn"),
        positions={"stages.app.needs.1": at(9)},
    )
    first, second = graph_problems(given)
    assert str(first) == (
        "stage 'app' needs 'netwrk', which pipeline 'core' does not define "
        "(orchestrator.yaml:2); did you mean 'network'?"
    )
    assert second.position == at(9)
    assert second.help == "defined: network, app"
    with pytest.raises(DefinitionError):
        graph_of(given)


def test_cycle_names_each_edge_with_its_line() -> None:
    """A circle is told edge by edge, begun with the stage declared first; what hangs on it not."""
    given = pipeline(
        stage("outside", 1, "b"),
        stage("a", 2, "c"),
        stage("b", 3, run=(output_of("a", 4),)),
        stage("c", 5, "b"),
    )
    (problem,) = graph_problems(given)
    assert problem.message == (
        "stages need each other in a circle: 'a' needs 'c' (orchestrator.yaml:2), "
        "'c' needs 'b' (orchestrator.yaml:5), "
        "'b' refers to stages.a.outputs.url (orchestrator.yaml:4)"
    )


def test_stage_that_needs_itself() -> None:
    """The smallest circle is one as well."""
    (problem,) = graph_problems(pipeline(stage("a", 1, "a")))
    assert "'a' needs 'a'" in problem.message


def test_long_chain() -> None:
    """Ten thousand stages in a row are no trouble for order or circles."""
    names = [f"s{number}" for number in range(10_000)]
    stages = [
        stage(name, 1, *([names[number - 1]] if number else []))
        for number, name in enumerate(names)
    ]
    graph = graph_of(pipeline(*reversed(stages)))
    assert find_cycle(graph) == ()
    assert ordered(graph) == tuple(names)


def test_order_is_declared_order_where_free() -> None:
    """Each stage comes after its needs; among the free ones the first declared comes first."""
    assert ordered(graph_of(DIAMOND)) == ("network", "hosts", "edge", "app", "smoke")


def test_turned_is_the_order_of_destroy() -> None:
    """Taking away goes the other way round, and turning twice changes nothing."""
    graph = graph_of(DIAMOND)
    assert ordered(turned(graph)) == ("smoke", "edge", "app", "hosts", "network")
    again = turned(turned(graph))
    assert {name: set(again.needs(name)) for name in again} == {
        name: set(graph.needs(name)) for name in graph
    }


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ([], "smoke network edge app hosts"),
        (["app"], "app"),
        (["app..."], "smoke app"),
        (["...app"], "network app hosts"),
        (["...app..."], "smoke network app hosts"),
        (["network", "edge"], "network edge"),
    ],
)
def test_select(patterns: list[str], names: str) -> None:
    """The dots reach to what needs a stage, or to what it needs; the answer is in file order."""
    graph = graph_of(DIAMOND)
    assert select(graph, patterns) == tuple(names.split())
    assert set(left_out_by(graph, patterns)) == set(graph) - set(names.split())


@pytest.mark.parametrize(
    ("pattern", "advice"), [("ap...", "Did you mean 'app'?"), ("zzz", "It defines: smoke, network")]
)
def test_select_unknown(pattern: str, advice: str) -> None:
    """A stage that does not exist is a usage error with what was meant."""
    with pytest.raises(UsageError) as caught:
        select(graph_of(DIAMOND), [pattern])
    assert advice in str(caught.value)
