"""Is this an input that rules may judge? Checked against a strict schema before any rule sees it.

Without it a rule over a field that is missing is silently not true, and the gate opens (shared
reference, policy-and-security: 61 of 468 omissions opened one, with a schema only true edits did).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import jsonschema

DEEPEST = 64  # levels; regorus itself takes more, Python's parser does not


@cache
def gate_input_schema() -> Mapping[str, Any]:
    """The JSON Schema of gate-input/v1, its root written out beside its definitions."""
    whole = json.loads(schema_text())
    return {**whole["$defs"]["input"], "$defs": whole["$defs"]}


def schema_text() -> str:
    return resources.files(__package__).joinpath("gate-input.schema.json").read_text("utf-8")


def input_problems(input: Any) -> tuple[str, ...]:
    """All that is wrong with an input, each with its place; empty where rules may judge it."""
    if _deeper_than(input, DEEPEST):
        return (f"it is more than {DEEPEST} levels deep",)
    found = _validator().iter_errors(input)
    ordered = sorted(found, key=lambda error: [str(part) for part in error.absolute_path])
    return tuple(f"{_place(error)}{error.message[:200]}" for error in ordered)


@cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(gate_input_schema())


def _place(error: Any) -> str:
    path = ".".join(str(part) for part in error.absolute_path)
    return f"{path}: " if path else ""


def _deeper_than(value: Any, levels: int) -> bool:
    """Without recursion: the input may be as deep as it likes."""
    todo = [(value, 1)]
    while todo:
        item, depth = todo.pop()
        if depth > levels:
            return True
        if isinstance(item, dict):
            todo += ((below, depth + 1) for below in item.values())
        elif isinstance(item, list):
            todo += ((below, depth + 1) for below in item)
    return False
