"""Do tests of rules find what is wrong with rules?"""

import pytest

from orchestrator.rego.pack import Pack
from orchestrator.rego.testing import report_on
from tests.rego.samples import DELETES, given, pack, row

TESTS = """
package gate.x_test
import data.gate.x
denied := {{"delete": {denied}}}
allowed := {{"update": {allowed}}}
{more}
"""


def _pack(rules: str = DELETES, more: str = "", **inputs: object) -> Pack:
    import json

    named = {"denied": given(row(op="delete")), "allowed": given(row()), **inputs}
    texts = {name: json.dumps(input) for name, input in named.items()}
    return pack(rules, x_test=TESTS.format(more=more, **texts))


def test_good_rules_hold() -> None:
    """Every named input as it should be, every omission refused, all lines reached."""
    report = report_on(
        _pack(more='test_a if count(x.violation) == 1 with input as denied["delete"]')
    )
    assert report.holds, report.results
    assert report.mutations > 30
    assert report.covered == 1


WRONG = {
    "it is not true": _pack(more="test_a if count(x.violation) == 1 with input as allowed.update"),
    "it is let pass": _pack(denied=given(row())),
    "it is refused": _pack(allowed=given(row(op="delete"))),
    "it is no gate-input/v1": _pack(denied=given({"op": "delete"})),
    "names no input under 'denied'": pack(DELETES),
    "lines of rules were reached": _pack(DELETES + "\nf(a) := b if {\n  b := a + 1\n}\n"),
}


@pytest.mark.parametrize("why", WRONG)
def test_what_does_not_hold_is_said(why: str) -> None:
    """A wrong test, a wrong rule, a missing input, unreached lines."""
    report = report_on(WRONG[why])
    assert not report.holds
    assert any(why in result.why for result in report.results)


def test_a_rule_that_opens_where_a_field_is_lost_is_found() -> None:
    """Variables are free, so no schema helps: the rule itself must refuse what is not there."""
    rules = """
package gate.x
violation contains "too many" if input.env.vars.batch > 1
"""
    env = given()["env"]
    denied = given(env={**env, "vars": {"batch": 2}})
    report = report_on(_pack(rules, denied=denied, allowed=given()))
    lost = [result.name for result in report.results if not result.holds]
    assert any("without env.vars.batch" in name for name in lost)
    assert any("null in env.vars.batch" in name for name in lost)
