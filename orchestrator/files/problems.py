"""How does a problem look to the person who has to mend it? With the line and a caret."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from orchestrator.model.positions import Problem

_WIDEST = 120  # characters of a source line that are shown


def rendered(problem: Problem) -> str:
    """The problem in up to five lines, without a newline at the end (reference interfaces, 2)."""
    lines = [f"{problem.severity}: {problem.message}"]
    if problem.position:
        at = problem.position
        lines.append(f"  --> {at.file}:{at.line}:{at.column}")
        if problem.source:
            line, column, length = _window(problem.source, at.column - 1, problem.length)
            lines.append(f"{at.line:>5} | {line}".rstrip())
            lines.append(f"      | {_padding(line[:column])}{'^' * _width(line[column:][:length])}")
    if problem.help:
        lines.append(f"      = help: {problem.help}")
    return "\n".join(lines)


def rendered_all(problems: Iterable[Problem]) -> str:
    """All of them, an empty line between each, and a count at the end."""
    listed = list(problems)
    counts = [_count(listed, severity) for severity in ("error", "warning")]
    blocks = [rendered(problem) for problem in listed]
    return "\n\n".join([*blocks, ", ".join(count for count in counts if count)])


def _count(problems: list[Problem], severity: str) -> str:
    number = sum(problem.severity == severity for problem in problems)
    return f"{number} {severity}{'s' if number > 1 else ''}" if number else ""


def _window(line: str, column: int, length: int) -> tuple[str, int, int]:
    """The part of a long line around the caret, and where the caret stands in it."""
    start = max(0, column - _WIDEST // 2) if len(line) > _WIDEST else 0
    cut = line[start : start + _WIDEST]
    return cut, column - start, max(1, min(length, len(cut) - column + start))


def _padding(before: str) -> str:
    return "".join("\t" if sign == "\t" else " " * _width(sign) for sign in before)


def _width(text: str) -> int:
    """Columns a text takes on a terminal; at least 1, so that there is always a caret."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    flat = sum(unicodedata.combining(sign) > 0 for sign in text)
    return max(1, len(text) + wide - flat)
