"""What is wrong with a pack of rules, before any of them judges?"""

from __future__ import annotations

from orchestrator.model.positions import Position, Problem
from orchestrator.rego.asking import RuleError, asked
from orchestrator.rego.pack import Pack
from orchestrator.rego.schema import gate_input_schema


def rule_problems(pack: Pack) -> tuple[Problem, ...]:
    """All of them, by file and line; what cannot even be read comes as regorus tells it."""
    try:
        answer = asked({**pack.rules, **pack.tests}, schema=gate_input_schema())
    except RuleError as error:
        return (Problem(message=str(error), position=None),)
    return tuple(
        Problem(
            message=found["what"],
            position=Position(file=found["file"], line=found["line"], column=found["column"]),
        )
        for found in answer["complaints"]
    )
