"""Are the reference project's rules right?"""

from pathlib import Path

from orchestrator.rego.checking import rule_problems
from orchestrator.rego.pack import Pack
from orchestrator.rego.testing import report_on

POLICIES = Path(__file__).parent.parent.parent / "policies"


def test_nothing_is_wrong_with_them() -> None:
    """`policy check` and `policy test` of this repository."""
    pack = Pack.read(POLICIES)
    assert rule_problems(pack) == ()
    report = report_on(pack)
    assert report.holds, [result for result in report.results if not result.holds]
    assert report.mutations > 500
