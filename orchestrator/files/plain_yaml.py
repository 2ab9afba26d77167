"""What does a YAML file say that is not ours: Pulumi.yaml, a stack file, a galaxy file?

Read as its own tool reads it, by YAML 1.1, never by our strict rules.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from orchestrator.model.errors import DefinitionError
from orchestrator.model.positions import Position, Problem

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def plain_yaml(path: Path) -> Any:
    """The first document as plain values; None where it is empty.

    Raises DefinitionError where it cannot be read or is no YAML.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError([Problem(message=f"{path} cannot be read: {error}")]) from error
    except yaml.YAMLError as error:
        raise DefinitionError([_problem(path, error)]) from error


def _problem(path: Path, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    message = f"{path.name} is no YAML: {getattr(error, 'problem', error)}"
    if mark is None:
        return Problem(message=message)
    where = Position(file=str(path), line=mark.line + 1, column=mark.column + 1)
    return Problem(message=message, position=where)
