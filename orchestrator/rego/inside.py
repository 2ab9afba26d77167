"""The judging process: rules and questions in on stdin, answers out on stdout, then it is gone.

It runs apart because a rule of three lines can crash its process, eat all memory or never end
(shared reference, policy-and-security 1.2). No file, no network, little memory, little time.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import regorus

from orchestrator.rego.syntax import Complaint, complaints

MEMORY = 2 << 30  # bytes of address space, of which the allocator of regorus sets 1 GiB aside
PROCESSOR = 20  # seconds
LONGEST = 4 << 20  # characters of an answer
UNDEFINED = "<undefined>"  # what regorus says of a rule that is not true anywhere


def main() -> None:
    _limit()
    request = json.load(sys.stdin)
    answer = json.dumps(_answered(request))
    if len(answer) > LONGEST:
        answer = json.dumps({"error": f"the answer is longer than {LONGEST} characters"})
    sys.stdout.write(answer)


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, PROCESSOR),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _answered(request: Mapping[str, Any]) -> dict[str, Any]:
    engine = regorus.Engine()
    engine.set_gather_prints(True)
    engine.set_enable_coverage(bool(request["coverage"]))
    problems = []
    for file, text in request["rules"].items():
        try:
            engine.add_policy(file, text)
        except RuntimeError as error:  # regorus knows no other
            problems.append(_text(error))
    if problems:
        return {"error": "\n".join(problems)}
    if request["schema"] is not None:
        return {"complaints": [_row(found) for found in _checked(engine, request["schema"])]}
    steps = [_step(engine, step) for step in request["steps"]]
    coverage = json.loads(engine.get_coverage_report_as_json()) if request["coverage"] else {}
    return {"steps": steps, "prints": list(engine.take_prints()), "files": coverage.get("files")}


def _checked(engine: Any, schema: Mapping[str, Any]) -> Sequence[Complaint]:
    return complaints(json.loads(engine.get_ast_as_json()), schema)


def _step(engine: Any, step: Mapping[str, Any]) -> dict[str, Any]:
    """What one rule says of one input; one that is undefined says nothing."""
    engine.set_input_json(json.dumps(step["input"]))
    try:
        value = json.loads(engine.eval_rule_as_json(step["rule"]))
    except RuntimeError as error:
        return {"error": _text(error)}
    return {} if value == UNDEFINED else {"value": value}


def _text(error: RuntimeError) -> str:
    """Its own words, without a native stack trace."""
    return str(error).partition("Stack backtrace")[0].strip()


def _row(found: Complaint) -> dict[str, Any]:
    return {"file": found.file, "line": found.line, "column": found.column, "what": found.what}


if __name__ == "__main__":
    main()
