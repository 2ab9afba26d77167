"""How is the graph of stages drawn: as text, for Mermaid, for Graphviz?"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.graph import Graph, ordered
from orchestrator.core.selection import DOTS, select
from orchestrator.model.definitions import Pipeline

_SHAPES: Mapping[str, tuple[str, str]] = {
    "pulumi": ("[", "]"),
    "ansible": ("(", ")"),
    "check": ("{{", "}}"),
    "command": ("[/", "/]"),
    "approval": ("{", "}"),
}


def as_text(pipeline: Pipeline, graph: Graph) -> str:
    """One line a stage in an order it may run in: name, kind, and what it waits for."""
    width = max(map(len, pipeline.stages), default=0)
    lines = []
    for name in ordered(graph):
        needs = ", ".join(direct(graph, name))
        after = f"after {needs}" if needs else "at once"
        lines.append(f"{name:<{width}}  {pipeline.stages[name].kind.value:<8}  {after}")
    return "\n".join(lines)


def as_mermaid(pipeline: Pipeline, graph: Graph) -> str:
    """A Mermaid flowchart."""
    lines = ["flowchart LR"]
    for name, stage in pipeline.stages.items():
        left, right = _SHAPES[stage.kind.value]
        lines.append(f'    {_id(name)}{left}"{name}<br>{stage.kind.value}"{right}')
    lines += [
        f"    {_id(need)} --> {_id(name)}"
        for name in pipeline.stages
        for need in direct(graph, name)
    ]
    return "\n".join(lines)


def as_dot(pipeline: Pipeline, graph: Graph) -> str:
    """A Graphviz digraph."""
    lines = [f'digraph "{pipeline.name}" {{', "    rankdir=LR; node [shape=box];"]
    for name, stage in pipeline.stages.items():
        lines.append(f'    "{name}" [label="{name}\\n{stage.kind.value}"];')
    lines += [
        f'    "{need}" -> "{name}";' for name in pipeline.stages for need in direct(graph, name)
    ]
    return "\n".join([*lines, "}"])


def direct(graph: Graph, name: str) -> tuple[str, ...]:
    """What a stage waits for, without what those wait for already: enough to read the order."""
    needs = graph.needs(name)
    above = {need: set(select(graph, (DOTS + need,))) - {need} for need in needs}
    return tuple(need for need in needs if not any(need in above[other] for other in needs))


def _id(name: str) -> str:
    """`end` and names with dashes mean something to Mermaid."""
    return "s_" + name.replace("-", "_")
