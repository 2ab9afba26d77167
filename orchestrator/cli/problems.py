"""How do problems of a definition appear? Each with its line and a caret, then how many."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.cli.words import plural
from orchestrator.files.problems import rendered
from orchestrator.model.positions import Problem


def shown(problems: Iterable[Problem]) -> str:
    """All problems as text, errors counted last."""
    listed = tuple(problems)
    errors = sum(problem.severity == "error" for problem in listed)
    texts = [rendered(problem) for problem in listed]
    return "\n\n".join([*texts, plural(errors, "error")])
