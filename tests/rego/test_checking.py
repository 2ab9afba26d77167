"""Is what is wrong with rules said before they judge?"""

import json
from typing import Any

import pytest
import regorus

from orchestrator.rego.checking import rule_problems
from orchestrator.rego.functions import ALLOWED, FORBIDDEN
from tests.rego.samples import DELETES, pack


def _said(text: str) -> list[str]:
    return [str(problem) for problem in rule_problems(pack(text))]


def test_right_rules_have_no_problems() -> None:
    """Nothing is said of what is well."""
    assert _said(DELETES) == []


WRONG = {
    "input.chagnes": 'deny contains "a" if input.chagnes.rows',
    "input.changes.row": 'deny contains "a" if { some r in input.changes.row; r.op }',
    "row.typ": 'deny contains "a" if { some row in input.changes.rows; row.typ == "x" }',
    "input.changes.rows._.kind": 'deny contains "a" if input.changes.rows[_].kind == "x"',
    "e.names": 'deny contains "a" if { e := input.env; e.names == "x" }',
    "s.kinds": 'deny contains "a" if { every s in input.stages { s.kinds == "x" } }',
    "r.ops": 'deny contains "a" if count([r | some r in input.changes.rows; r.ops]) > 0',
    "given.value": """deny contains "a" if {
        some stage in input.stages
        some given in stage.inputs
        given.value == "x"
    }""",
    "time.now_ns is forbidden": 'deny contains "a" if time.now_ns() > 0',
    "http.send is forbidden": 'deny contains "a" if http.send({"method": "get", "url": "x"})',
    "there is no function startwith": 'deny contains "a" if startwith(input.now, "2")',
    "'with' may replace": 'deny contains "a" if count([1]) == 2 with count as 2',
}


@pytest.mark.parametrize("what", WRONG)
def test_what_no_input_has_and_no_rule_may_ask_is_said(what: str) -> None:
    """Wherever it hides: behind variables, in comprehensions, in loops. With file and line."""
    (said,) = _said(f"package gate.x\n\n{WRONG[what]}\n")
    assert what in said
    assert "policies/x.rego:" in said


RIGHT = (
    'deny contains "a" if input.env.vars.anything.at_all == 1',
    'deny contains "a" if helper(input.now)\nhelper(x) := startswith(x, "2")',
    'deny contains "a" if data.gate.other.f(1)',
    'import data.gate.other\ndeny contains "a" if other.f(1)',
    'deny contains "a" if { row := {"own": 1}; row.own == 1 }',
)


@pytest.mark.parametrize("text", RIGHT)
def test_what_may_be_is_left_alone(text: str) -> None:
    """Free variables, own functions and imports are no problem."""
    assert _said(f"package gate.x\n{text}\n") == []


def test_what_cannot_be_read_is_told_as_it_is() -> None:
    """The caret of regorus, without its native stack."""
    (said,) = _said("package gate.x\ndeny[m] { m := 1 }\n")
    assert "x.rego:2" in said
    assert "backtrace" not in said


def _asked(call: str) -> Any:
    engine = regorus.Engine()
    engine.add_policy("a.rego", f"package a\nb := {call}")
    return json.loads(engine.eval_rule_as_json("data.a.b"))


@pytest.mark.parametrize("name", sorted(ALLOWED - {"print"}))
def test_every_function_that_is_allowed_is_there(name: str) -> None:
    """A rule that passes the check does not die of a function that regorus lacks."""
    with pytest.raises(RuntimeError) as told:
        _asked(f"{name}(1, 2, 3, 4, 5, 6, 7, 8, 9)")
    assert "could not find function" not in str(told.value)


def test_nothing_is_both_allowed_and_forbidden() -> None:
    """The two lists do not meet."""
    assert not ALLOWED & FORBIDDEN.keys()
