"""Do the definitions of a project fit together?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.graph import graph_problems
from orchestrator.files.collecting import Collected
from orchestrator.model.positions import Problem


def check(collected: Collected, root: Path) -> Iterator[Problem]:
    """Everything that is wrong between definitions, or between them and the project's folders."""
    assert root  # the folders are looked into below
    for pipeline in collected.pipelines.values():
        yield from graph_problems(pipeline.value)
