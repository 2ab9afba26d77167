"""How do problems of a definition appear: for eyes, for programs, for a code host?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from orchestrator.files.problems import rendered_all
from orchestrator.model.positions import Problem

Listed = Iterable[Problem]


def as_json(problems: Listed) -> str:
    """One object a line."""
    return "\n".join(json.dumps({"v": 1, "type": "problem", **_fields(p)}) for p in problems)


def as_github(problems: Listed) -> str:
    """Workflow commands, which a code host shows beside the line."""
    return "\n".join(_command(problem) for problem in problems)


def as_sarif(problems: Listed) -> str:
    """A SARIF 2.1.0 log."""
    results = [_result(problem) for problem in problems]
    tool = {"driver": {"name": "orchestrator", "rules": []}}
    return json.dumps({"version": "2.1.0", "runs": [{"tool": tool, "results": results}]}, indent=1)


FORMATS: Mapping[str, Callable[[Listed], str]] = {
    "text": rendered_all,
    "json": as_json,
    "github": as_github,
    "sarif": as_sarif,
}


def _fields(problem: Problem) -> dict[str, object]:
    place = problem.position
    return {
        "severity": problem.severity,
        "message": problem.message,
        "help": problem.help,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }


def _command(problem: Problem) -> str:
    place = problem.position
    at = f"file={place.file},line={place.line},col={place.column}" if place else ""
    text = problem.message + (f"; {problem.help}" if problem.help else "")
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{problem.severity} {at}::{escaped}"


def _result(problem: Problem) -> dict[str, object]:
    result: dict[str, object] = {
        "level": problem.severity,
        "message": {"text": problem.message + (f"; {problem.help}" if problem.help else "")},
    }
    if place := problem.position:
        region = {"startLine": place.line, "startColumn": place.column}
        location = {"artifactLocation": {"uri": place.file}, "region": region}
        result["locations"] = [{"physicalLocation": location}]
    return result
