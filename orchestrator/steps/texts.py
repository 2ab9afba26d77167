"""How does a resolved value become one word of a command, a variable or a URL?"""

from __future__ import annotations

import json

from orchestrator.model.errors import DefinitionError
from orchestrator.model.positions import Problem
from orchestrator.model.values import Secret, Tree, revealed, secrets_in


def text_of(value: Tree) -> str:
    """Text as it is, true and false in YAML's words, nothing as "", lists and maps as JSON."""
    if isinstance(value, Secret):
        value = revealed(value)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value if isinstance(value, bool | int | float) else revealed(value))  # type: ignore[arg-type]  # resolved: no reference is left


def open_text_of(value: Tree, *, stage: str, where: str, instead: str) -> str:
    """`text_of` for a place that others can read. Raises DefinitionError where it is a secret."""
    if any(True for _ in secrets_in(value)):
        message = f"stage '{stage}' puts a secret into {where}, which others can read"
        raise DefinitionError([Problem(message=message, help=instead)])
    return text_of(value)
