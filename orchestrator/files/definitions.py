"""What does the project say, as a whole, and what is wrong with it?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.files.checks import check
from orchestrator.files.collecting import PROJECT_FILE, Collected, collect
from orchestrator.files.loading import Reading
from orchestrator.files.sources import in_order
from orchestrator.model.definitions import Project
from orchestrator.model.errors import DefinitionError, UsageError
from orchestrator.model.positions import Position, Problem


def find_root(start: Path) -> Path:
    """The nearest folder, from `start` upwards, that holds an orchestrator.yaml.

    Raises UsageError where there is none.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise UsageError(
        f"there is no {PROJECT_FILE} in {start} or above it.",
        next="Go to a project, name it with -C DIR, or make one: orchestrator init",
    )


def load_project(root: Path, *, environments_from: Mapping[str, Path] | None = None) -> Project:
    """The project whose orchestrator.yaml stands in `root`, every file of it read and checked.

    environments_from: environment -> another root from whose inventories/ it is read, with all it
    extends; for gated environments, which come from the protected git ref. Raises DefinitionError
    with every error of every file, by file and line; warnings are told by `validate`.
    """
    project, problems = _read(root, environments_from or {})
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors or project is None:
        raise DefinitionError(errors)
    return project


def load_what_is_right(root: Path) -> tuple[Project, int]:
    """The project without what is wrong in it, and how many errors there are.

    For acts on runs, which have their definitions recorded. Raises DefinitionError where not even
    the Project itself can be read.
    """
    project, problems = _read(root, {})
    errors = [problem for problem in problems if problem.severity == "error"]
    if project is None:
        raise DefinitionError(errors)
    return project, len(errors)


def validate(
    root: Path, *, environments_from: Mapping[str, Path] | None = None
) -> tuple[Problem, ...]:
    """Everything wrong with a project, errors and warnings, by file and line."""
    return _read(root, environments_from or {})[1]


def _read(
    root: Path, environments_from: Mapping[str, Path]
) -> tuple[Project | None, tuple[Problem, ...]]:
    reading = Reading(root=root)
    collected = collect(reading, environments_from)
    reading.complain(check(collected, root))
    return _project(collected), in_order(reading.problems)


def _project(collected: Collected) -> Project | None:
    loaded = collected.project
    if loaded is None:
        return None
    keys = loaded.value
    return Project(
        id=keys.id,
        store=keys.store,
        protected=keys.protected,
        pipelines={name: item.value for name, item in collected.pipelines.items()},
        environments={name: item.value for name, item in collected.environments.items()},
        gates={name: item.value for name, item in collected.gates.items()},
        position=Position(file=PROJECT_FILE, line=1, column=1),
    )
