"""Do the rules hold what their tests promise? And does each refuse where a field is lost?

A test package may name inputs that must be refused and inputs that must pass, `denied` and
`allowed`: objects of name -> input, for the package that it is the test of (gate.x_test of gate.x).
Every field of every refused input is then taken away, and set to null: none may be let pass.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.rego.asking import RuleError, asked
from orchestrator.rego.judge import DENIES, WARNS, read
from orchestrator.rego.pack import Pack
from orchestrator.rego.schema import input_problems

COVERED = 0.95  # of the lines of rules, at least
_RULES = (*DENIES, *WARNS)


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim about the rules, and whether it holds."""

    name: str
    why: str = ""  # why it does not hold; empty where it does

    @property
    def holds(self) -> bool:
        return not self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All claims, and how many fields were lost without an effect."""

    results: tuple[Claim, ...]
    mutations: int
    covered: float  # of the lines of rules, between 0 and 1

    @property
    def holds(self) -> bool:
        return all(result.holds for result in self.results)


def report_on(pack: Pack) -> Report:
    """Every test, every named input, every omission, and the coverage. Raises RuleError."""
    fixtures = _fixtures(pack)
    names = _test_names(pack)
    steps: list[tuple[str, Any]] = [(f"data.{name}", None) for name in names]
    for fixture in fixtures:
        steps += [(f"data.{fixture.package}.{rule}", fixture.input) for rule in _RULES]
    answer = asked({**pack.rules, **pack.tests}, steps, coverage=True)
    results = [_test(n, s) for n, s in zip(names, answer["steps"], strict=False)]
    said = _grouped(answer["steps"][len(names) :])
    results += [_as_named(f, s) for f, s in zip(fixtures, said, strict=True)]
    results += _untested(pack, fixtures)
    omissions = [each for fixture in fixtures if fixture.denied for each in _omissions(fixture)]
    results += _let_pass(pack, omissions)
    covered, lost = _coverage(pack, answer["files"])
    if covered < COVERED:
        why = f"{covered:.0%} of the lines of rules were reached, not {COVERED:.0%}: {lost}"
        results.append(Claim("coverage", why))
    return Report(results=tuple(results), mutations=len(omissions), covered=covered)


@dataclass(frozen=True, slots=True)
class Fixture:
    """A named input of a test package."""

    name: str
    package: str  # that it is for
    denied: bool
    input: Any


def _fixtures(pack: Pack) -> list[Fixture]:
    asks = [(package, kind) for package in pack.test_packages for kind in ("denied", "allowed")]
    steps = [(f"data.{package}.{kind}", None) for package, kind in asks]
    answer = asked({**pack.rules, **pack.tests}, steps)
    found = []
    for (package, kind), step in zip(asks, answer["steps"], strict=True):
        value = step.get("value", {})
        if not isinstance(value, Mapping):
            raise RuleError(f"{package}.{kind} must be an object of name -> input")
        for name, input in value.items():
            judged = package.removesuffix("_test")
            found.append(Fixture(f"{package}.{kind}.{name}", judged, kind == "denied", input))
    return found


def _test_names(pack: Pack) -> list[str]:
    """package.test_x of every test, in the order of their text."""
    return [
        f"{package}.{word}"
        for text in pack.tests.values()
        for package in Pack(rules={"": text}).packages
        for line in text.splitlines()
        if (word := line.partition(" ")[0]).startswith("test_")
    ]


def _test(name: str, step: Mapping[str, Any]) -> Claim:
    if "error" in step:
        return Claim(name, step["error"])
    true = step.get("value") is True
    return Claim(name, "" if true else "it is not true")


def _as_named(fixture: Fixture, steps: Sequence[Mapping[str, Any]]) -> Claim:
    problems = input_problems(fixture.input)
    if problems:
        return Claim(fixture.name, f"it is no gate-input/v1: {problems[0]}")
    try:
        refused = bool(read(list(steps))[0])
    except RuleError as error:
        return Claim(fixture.name, str(error))
    if refused == fixture.denied:
        return Claim(fixture.name)
    return Claim(fixture.name, "it is refused" if refused else "it is let pass")


def _untested(pack: Pack, fixtures: Sequence[Fixture]) -> Iterator[Claim]:
    """Every package that may refuse has an input that it refuses and one that it does not."""
    for package in pack.packages:
        for denied, kind in ((True, "denied"), (False, "allowed")):
            if not any(f.package == package and f.denied == denied for f in fixtures):
                yield Claim(package, f"{package}_test names no input under '{kind}'")


def _omissions(fixture: Fixture) -> Iterator[tuple[str, Fixture]]:
    """The input without each of its fields, and with null in its place; what it is called."""
    for path in _fields(fixture.input, ()):
        shown = ".".join(map(str, path))
        for what in ("without", "null in"):
            changed = copy.deepcopy(fixture.input)
            within = changed
            for key in path[:-1]:
                within = within[key]
            if what == "without":
                del within[path[-1]]
            else:
                within[path[-1]] = None
            name = f"{fixture.name} {what} {shown}"
            yield name, Fixture(name, fixture.package, True, changed)


def _fields(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Paths of all keys of objects. An item of a list is no field: without it the input is true."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield (*path, key)
            yield from _fields(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _fields(item, (*path, index))


def _let_pass(pack: Pack, omissions: Sequence[tuple[str, Fixture]]) -> Iterator[Claim]:
    """Those that no schema refuses and no rule either."""
    open_ = [(name, f) for name, f in omissions if not input_problems(f.input)]
    steps = [(f"data.{f.package}.{rule}", f.input) for _, f in open_ for rule in _RULES]
    said = _grouped(asked(pack.rules, steps)["steps"]) if steps else []
    for (name, _), answers in zip(open_, said, strict=True):
        try:
            refused = bool(read(list(answers))[0])
        except RuleError:
            refused = True
        if not refused:
            yield Claim(name, "it is let pass")


def _grouped(steps: Sequence[Mapping[str, Any]]) -> list[Sequence[Mapping[str, Any]]]:
    return [steps[at : at + len(_RULES)] for at in range(0, len(steps), len(_RULES))]


def _coverage(pack: Pack, files: Sequence[Mapping[str, Any]]) -> tuple[float, str]:
    """The share of lines of rules that were reached, and where the others stand."""
    ours = [file for file in files if file["path"] in pack.rules]
    reached = sum(len(file["covered"]) for file in ours)
    lost = [f"{file['path']}:{line}" for file in ours for line in file["not_covered"]]
    whole = reached + len(lost)
    return (reached / whole if whole else 1.0), ", ".join(lost[:10])
