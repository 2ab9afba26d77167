"""Why do rules say what they say? Reasons, what stands where they point, the least cause."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.model.gates import Decision, Judgement
from orchestrator.rego.asking import RuleError, asked
from orchestrator.rego.judge import DENIES, WARNS, RegoJudge, read
from orchestrator.rego.pack import Pack

_TITLE = re.compile(r"^# title: *(.+)$", re.MULTILINE)
_RULES = (*DENIES, *WARNS)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A judgement, and what helps to see why."""

    judgement: Judgement
    title: str  # of the package, from its METADATA; may be empty
    values: Mapping[str, Any]  # what stands at the paths that the reasons name
    least: tuple[int, ...]  # indexes of rows without any of which it would not be refused


def explained(pack: Pack, package: str, input: Any) -> Explanation:
    """Never raises for what rules or input are: the judgement says it."""
    judgement = RegoJudge(pack).judge(package, input)
    paths = [path for found in judgement.violations for path in found.paths]
    least: tuple[int, ...] = ()
    if judgement.decision is Decision.DENY:
        least = tuple(_least(pack, package, input))
    values = {path: _at(input, path) for path in paths}
    return Explanation(judgement, _title(pack, package), values, least)


def _title(pack: Pack, package: str) -> str:
    for text in pack.rules.values():
        before, found, _ = text.partition(f"package {package}\n")
        if found and (title := _TITLE.search(before)):
            return title[1]
    return ""


def _least(pack: Pack, package: str, input: Any) -> list[int]:
    """A smallest set of rows that is still refused: none can be left out (delta debugging).

    Source: Zeller, Hildebrandt: Simplifying and Isolating Failure-Inducing Input (2002).
    """
    rows = list(range(len(input["changes"]["rows"])))
    if _refused(pack, package, [_only(input, [])])[0]:
        return []  # the rows are not what it is about
    parts = 2
    while len(rows) > 1:
        size = -(-len(rows) // parts)
        chunks = [rows[at : at + size] for at in range(0, len(rows), size)]
        fewer = [*chunks, *([row for row in rows if row not in chunk] for chunk in chunks)]
        said = _refused(pack, package, [_only(input, each) for each in fewer])
        kept = next((each for each, no in zip(fewer, said, strict=True) if no and each), None)
        if kept is not None and len(kept) < len(rows):
            rows, parts = kept, 2
        elif size == 1:
            break
        else:
            parts = min(2 * parts, len(rows))
    return rows


def _only(input: Any, rows: Sequence[int]) -> Any:
    all_rows = input["changes"]["rows"]
    return {**input, "changes": {**input["changes"], "rows": [all_rows[row] for row in rows]}}


def _refused(pack: Pack, package: str, inputs: Sequence[Any]) -> list[bool]:
    steps = [(f"data.{package}.{rule}", input) for input in inputs for rule in _RULES]
    answers = asked(pack.rules, steps)["steps"]
    said = [answers[at : at + len(_RULES)] for at in range(0, len(answers), len(_RULES))]
    return [_refuses(each) for each in said]


def _refuses(answers: list[Mapping[str, Any]]) -> bool:
    try:
        return bool(read(answers)[0])
    except RuleError:
        return False  # an error is not the reason that is looked for


def _at(input: Any, path: str) -> Any:
    """What stands at changes.rows.3; None where nothing does."""
    for key in path.split("."):
        if isinstance(input, Mapping):
            input = input.get(key)
        elif isinstance(input, list) and key.isdigit() and int(key) < len(input):
            input = input[int(key)]
        else:
            return None
    return input
