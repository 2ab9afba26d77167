"""What do a project's rules say of a change set? Allowed only where they said so.

An error, a time-out, a crash, a missing package, an answer of another shape: none of them is leave.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import rfc8785

from orchestrator.model.gates import Decision, Judgement, Violation
from orchestrator.rego.asking import RuleError, asked
from orchestrator.rego.pack import Pack
from orchestrator.rego.schema import input_problems

DENIES = ("deny", "violation")  # rules that refuse, as elsewhere in this field
WARNS = ("warn",)
_KEYS = {"id": str, "msg": str, "severity": str, "paths": list}
_DISTRIBUTION = "gordon-to-regorus"


@dataclass(frozen=True, slots=True)
class RegoJudge:
    """The Judge of one pack of rules."""

    pack: Pack

    def judge(self, package: str, input: Any) -> Judgement:
        """Never raises for what the rules or the input are: then the decision is ERROR."""
        given = Given(package, input, self.pack)
        if package not in self.pack.packages:
            return given.failed(f"no policies/*.rego holds the package '{package}'")
        problems = input_problems(input)
        if problems:
            return given.failed(f"the input is not one of gate-input/v1: {'; '.join(problems[:5])}")
        rules = [f"data.{package}.{name}" for name in (*DENIES, *WARNS)]
        try:
            answer = asked(self.pack.rules, [(rule, input) for rule in rules])
            return given.decided(read(answer["steps"]))
        except RuleError as error:
            return given.failed(str(error))


@dataclass(frozen=True, slots=True)
class Given:
    """What a judgement is about."""

    package: str
    input: Any
    pack: Pack

    def decided(self, said: tuple[tuple[Violation, ...], tuple[Violation, ...]]) -> Judgement:
        denied, warned = said
        decision = Decision.DENY if denied else Decision.ALLOW
        return self._judgement(decision, violations=denied, warnings=warned)

    def failed(self, why: str) -> Judgement:
        return self._judgement(Decision.ERROR, error=why)

    def _judgement(self, decision: Decision, **rest: Any) -> Judgement:
        return Judgement(
            package=self.package,
            decision=decision,
            input_digest=_digest(self.input),
            pack_digest=self.pack.digest,
            engine=f"regorus {version(_DISTRIBUTION)}",
            **rest,
        )


def read(
    steps: list[Mapping[str, Any]],
) -> tuple[tuple[Violation, ...], tuple[Violation, ...]]:
    """What refuses and what warns, of the answers to DENIES and WARNS in that order.

    Raises RuleError where the package has no rule that could refuse, or one answers otherwise than
    rules do.
    """
    denies, warns = steps[: len(DENIES)], steps[len(DENIES) :]
    real = [step for step in denies if not _missing(step)]
    if not real:
        raise RuleError(f"the package has no rule {' or '.join(DENIES)}: it refuses nothing")
    refusing = [found for step in real for found in _found(step)]
    warning = [found for step in warns if not _missing(step) for found in _found(step)]
    return tuple(sorted(refusing)), tuple(sorted(warning))


def _missing(step: Mapping[str, Any]) -> bool:
    return "not a valid rule path" in step.get("error", "")


def _found(step: Mapping[str, Any]) -> list[Violation]:
    if "error" in step:
        raise RuleError(step["error"])
    value = step.get("value")
    if not isinstance(value, list):
        raise RuleError(f"a rule must be a set of texts or objects, and this one is {value!r:.80}")
    return [_violation(item) for item in value]


def _violation(item: Any) -> Violation:
    if isinstance(item, str):
        return Violation(id="", message=item)
    if isinstance(item, dict) and "msg" in item:
        known = all(isinstance(v, _KEYS[k]) for k, v in item.items() if k in _KEYS)
        if known and item.keys() <= _KEYS.keys():
            return Violation(
                id=item.get("id", ""),
                message=item["msg"],
                severity=item.get("severity", ""),
                paths=tuple(str(path) for path in item.get("paths", ())),
            )
    keys = ", ".join(_KEYS)
    raise RuleError(f"what refuses must be a text or an object of {keys}, not {item!r:.80}")


def _digest(input: Any) -> str:
    """Of the canonical input; "" where it has none, and so was judged by nobody."""
    try:
        return f"sha256:{hashlib.sha256(rfc8785.dumps(input)).hexdigest()}"
    except (rfc8785.CanonicalizationError, RecursionError):
        return ""
