"""Does an explanation point at what it is about?"""

from orchestrator.model.gates import Decision
from orchestrator.rego.explaining import explained
from tests.rego.samples import DELETES, given, pack, row

TITLED = """# METADATA
# title: Nothing is deleted
package gate.x

violation contains {"id": "x", "msg": "no", "paths": [sprintf("changes.rows.%d", [i])]} if {
    some i, row in input.changes.rows
    row.op == "delete"
}
"""


def test_paths_come_with_what_stands_there() -> None:
    """The reason, its place, the value at that place, the title of the rule."""
    found = explained(pack(TITLED), "gate.x", given(row(), row(op="delete", name="web-2")))
    assert found.title == "Nothing is deleted"
    assert found.values["changes.rows.1"]["name"] == "web-2"


def test_the_least_cause_is_the_rows_that_it_takes() -> None:
    """Two rows that are refused only together, among many."""
    rules = """
package gate.x
violation contains "both" if {
    some a in input.changes.rows
    a.name == "web-7"
    some b in input.changes.rows
    b.name == "web-31"
}
"""
    rows = [row(name=f"web-{number}") for number in range(40)]
    found = explained(pack(rules), "gate.x", given(*rows))
    assert found.least == (7, 31)


def test_what_is_not_about_rows_has_no_least_rows() -> None:
    """A rule about the environment names none."""
    rules = 'package gate.x\nviolation contains "no" if input.env.name == "prod"'
    found = explained(pack(rules), "gate.x", given(row()))
    assert found.judgement.decision is Decision.DENY
    assert found.least == ()


def test_what_is_allowed_has_nothing_to_explain() -> None:
    """No values, no rows."""
    found = explained(pack(DELETES), "gate.x", given(row()))
    assert found.judgement.decision is Decision.ALLOW
    assert (dict(found.values), found.least) == ({}, ())
