"""Is leave given only where rules gave it?"""

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.model.gates import Decision, Violation
from orchestrator.rego.asking import RuleError, asked
from orchestrator.rego.judge import RegoJudge
from tests.rego.samples import DELETES, given, pack, row


def test_what_no_rule_refuses_is_allowed() -> None:
    """Allow is the absence of reasons, by rules that could have given one."""
    judged = RegoJudge(pack(DELETES)).judge("gate.x", given(row()))
    assert judged.decision is Decision.ALLOW
    assert judged.engine.startswith("regorus 0.")


def test_a_reason_refuses() -> None:
    """A violation is told with its words."""
    judged = RegoJudge(pack(DELETES)).judge("gate.x", given(row(op="delete")))
    assert judged.decision is Decision.DENY
    assert judged.violations == (Violation(id="x", message="deletes web-1"),)


def test_a_text_refuses_too() -> None:
    """`deny` with plain texts, as conftest has it; `warn` does not refuse."""
    text = 'package gate.x\ndeny contains "no" if input.pipeline\nwarn contains "hm" if input.now'
    judged = RegoJudge(pack(text)).judge("gate.x", given())
    assert judged.decision is Decision.DENY
    assert [found.message for found in judged.warnings] == ["hm"]


def test_the_same_question_has_the_same_answer() -> None:
    """Nothing in a judgement but rules and input: asked again it is equal, digests included."""
    judge = RegoJudge(pack(DELETES))
    assert judge.judge("gate.x", given(row(op="delete"))) == judge.judge(
        "gate.x", given(row(op="delete"))
    )


def test_tests_are_not_part_of_what_judges() -> None:
    """The digest of a pack is that of its rules."""
    tests = "package gate.x_test\ntest_a if true"
    assert pack(DELETES, x_test=tests).digest == pack(DELETES).digest
    assert pack(DELETES + "\n").digest != pack(DELETES).digest


CLOSED = {
    "missing package": (DELETES, "gate.y", "no policies/*.rego holds"),
    "no rule that could refuse": ("package gate.x\nallow if true", "gate.x", "no rule deny"),
    "syntax of before": ("package gate.x\ndeny[m] { m := 1 }", "gate.x", "`if` keyword"),
    "typo": ("package gate.x\ndeny contains 'a' if inptu.x", "gate.x", "x.rego:2"),
    "unknown function": ('package gate.x\ndeny contains "a" if nope(1)', "gate.x", "nope"),
    "wrong type": ("package gate.x\ndeny contains 7 if input.now", "gate.x", "must be a text or"),
    "unknown key": (
        'package gate.x\ndeny contains {"msg": "a", "level": "low"} if input.now',
        "gate.x",
        "must be a text or",
    ),
    "not a set": ("package gate.x\ndeny := true", "gate.x", "must be a set"),
    "undefined": ("package gate.x\ndeny := true if input.now == 3", "gate.x", "must be a set"),
    "type error": (
        'package gate.x\ndeny contains "a" if startswith(input.changes, "b")',
        "gate.x",
        "expects string",
    ),
    "crash": (
        'package gate.x\nf(n) := f(n - 1)\nf(0) := 0 if false\ndeny contains "a" if f(100000) == 0',
        "gate.x",
        "",
    ),
    "memory": (
        'package gate.x\ndeny contains "a" if count(numbers.range(1, 200000000)) == 0',
        "gate.x",
        "",
    ),
}


@pytest.mark.parametrize("case", CLOSED)
def test_whatever_is_no_answer_is_no_leave(case: str) -> None:
    """Errors, crashes, missing rules, other shapes: each is an ERROR, and says why."""
    text, package, why = CLOSED[case]
    judged = RegoJudge(pack(text)).judge(package, given())
    assert judged.decision is Decision.ERROR
    assert why in judged.error
    assert "Stack backtrace" not in judged.error


def test_rules_that_never_end_are_ended() -> None:
    """The deadline holds, whatever the rules do."""
    text = """
package gate.x
deny contains "a" if {
    some i in numbers.range(1, 20000)
    some j in numbers.range(1, 20000)
    i * j < 0
}
"""
    with pytest.raises(RuleError, match="did not end within"):
        asked(pack(text).rules, [("data.gate.x.deny", given())], deadline=timedelta(seconds=1))


BAD_INPUTS: dict[str, Any] = {
    "nothing": None,
    "empty": {},
    "another version": given(schema="gate-input/v2"),
    "a field too many": given(more=1),
    "unknown operation": given(row(op="obliterate")),
    "a null": given(row(type=None)),
    "no row fields": given({"op": "delete"}),
    "infinite": given(env={**given()["env"], "vars": [float("inf")]}),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_no_rule_sees_an_input_that_is_none(case: str) -> None:
    """What the schema does not know is refused before rules over missing fields let it pass."""
    judged = RegoJudge(pack(DELETES)).judge("gate.x", BAD_INPUTS[case])
    assert judged.decision is Decision.ERROR
    assert "gate-input/v1" in judged.error


def test_a_deep_input_is_refused() -> None:
    """Ten thousand levels are an error, not a crash of whoever asks."""
    deep: Any = {}
    for _ in range(10_000):
        deep = {"a": deep}
    judged = RegoJudge(pack(DELETES)).judge("gate.x", given(deep=deep))
    assert judged.decision is Decision.ERROR
    assert "deep" in judged.error


def test_rules_have_no_network_no_files_and_no_variables() -> None:
    """What a rule could ask of the outside is not there."""
    text = 'package gate.x\ndeny contains sprintf("%v", [opa.runtime()]) if true'
    judged = RegoJudge(pack(text)).judge("gate.x", given())
    assert "PATH" not in judged.error + "".join(v.message for v in judged.violations)
