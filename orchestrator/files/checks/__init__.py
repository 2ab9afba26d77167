"""Do the definitions of a project fit together, and its folders to them?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.files.checks.environments import environment_problems
from orchestrator.files.checks.folders import folder_problems
from orchestrator.files.checks.hosts import host_problems
from orchestrator.files.checks.ladder import ladder_problems
from orchestrator.files.checks.pipelines import pipeline_problems
from orchestrator.files.checks.policies import policy_problems
from orchestrator.files.checks.stacks import stack_problems
from orchestrator.files.collecting import Collected
from orchestrator.model.positions import Problem


def check(collected: Collected, root: Path) -> Iterator[Problem]:
    """Everything wrong between definitions, or between them and the project's folders.

    What refers to something that is itself wrong, and was left out for it, is not told.
    """
    for pipeline in collected.pipelines.values():
        yield from pipeline_problems(pipeline)
        yield from folder_problems(pipeline, collected, root)
    for environment in collected.environments.values():
        yield from environment_problems(environment, collected)
    yield from stack_problems(collected, root)
    yield from host_problems(collected, root)
    yield from ladder_problems(collected)
    yield from policy_problems(collected, root)
