"""Do gates and access rules name what there is?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from orchestrator.files.collecting import Collected
from orchestrator.files.loading import Loaded
from orchestrator.files.sources import Path
from orchestrator.files.words import did_you_mean, dotted
from orchestrator.model.definitions import Gate
from orchestrator.model.positions import Problem

_PEOPLE_KEYS = ("from", "by", "who")
_PACKAGE = re.compile(r"^\s*package\s+([A-Za-z0-9_.]+)", re.MULTILINE)


def policy_problems(collected: Collected, root: FilePath) -> Iterator[Problem]:
    """Rules without a clear kind, approvals of one name, people and packages nobody knows."""
    packages = _packages(root)
    for gate in collected.gates.values():
        yield from _rules(gate, packages)
        yield from _approvals(gate)
        yield from _people(gate, gate.value.body, collected)
    access = collected.access
    if access:
        yield from _people(access, access.document.data, collected)
        for group, members in access.value.groups.items():
            for index, member in enumerate(members):
                if member not in access.value.people and access.is_whole("people"):
                    path: Path = ("groups", group, index)
                    known = access.value.people
                    yield _unknown(f"no one is called '{member}'", member, known, access, path)


def _rules(gate: Loaded[Gate], packages: frozenset[str]) -> Iterator[Problem]:
    for part in ("promote", "rollback"):
        rules = (gate.value.body.get(part) or {}).get("require") or []
        for index, rule in enumerate(rules):
            path: Path = (part, "require", index)
            if isinstance(rule, Mapping):
                yield from _rule(gate, path, rule, packages)


def _rule(
    gate: Loaded[Gate], path: Path, rule: Mapping[str, Any], packages: frozenset[str]
) -> Iterator[Problem]:
    if len(rule) != 1:
        at = gate.document.place(path).value
        message = f"{dotted(path)} must be one rule, not {len(rule)}"
        yield Problem(message=message, position=at, help="write each rule as an item of its own")
    for closed, days in enumerate((rule.get("window") or {}).get("closed") or []):
        if days["from"] > days["to"]:
            at = gate.document.place((*path, "window", "closed", closed)).value
            yield Problem(message="'from' is after 'to'", position=at)
    package = (rule.get("rego") or {}).get("package")
    if package and package not in packages:
        where: Path = (*path, "rego", "package")
        message = f"no policies/*.rego holds the package '{package}'; the rule would refuse"
        yield _unknown(message, package, sorted(packages), gate, where, severity="warning")


def _approvals(gate: Loaded[Gate]) -> Iterator[Problem]:
    for part in ("promote", "rollback", "emergency"):
        seen: set[str] = set()
        approvals = (gate.value.body.get(part) or {}).get("approvals") or []
        for index, approval in enumerate(approvals):
            if approval["id"] in seen:
                at = gate.document.place((part, "approvals", index, "id")).value
                message = f"two approvals in {part} have the id '{approval['id']}'"
                yield Problem(message=message, position=at)
            seen.add(approval["id"])


def _people(loaded: Loaded[Any], body: Any, collected: Collected) -> Iterator[Problem]:
    """Names in from, by and who that access.yaml does not have; it may be told elsewhere too."""
    access = collected.access
    if access is None or access.left_out:
        return
    groups = [f"group:{name}" for name in access.value.groups]
    known = [*groups, *access.value.people]
    for path, name in _names(body, ()):
        if name not in known:
            kind = "group" if name.startswith("group:") else "person"
            message = f"access.yaml has no {kind} '{name.removeprefix('group:')}'"
            yield _unknown(message, name, known, loaded, path)


def _names(body: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(body, Mapping):
        for key, item in body.items():
            if key in _PEOPLE_KEYS and isinstance(item, list):
                yield from (((*path, key, i), name) for i, name in enumerate(item))
            else:
                yield from _names(item, (*path, key))
    elif isinstance(body, list):
        for index, item in enumerate(body):
            yield from _names(item, (*path, index))


def _unknown(
    message: str, word: str, known: Any, loaded: Loaded[Any], path: Path, severity: str = "error"
) -> Problem:
    help = did_you_mean(word, known)
    at = loaded.document.place(path).value
    return Problem(message=message, position=at, help=help, severity=severity)


def _packages(root: FilePath) -> frozenset[str]:
    texts = (
        file.read_text(encoding="utf-8", errors="replace")
        for file in sorted((root / "policies").glob("**/*.rego"))
        if file.is_file()
    )
    return frozenset(found[1] for text in texts if (found := _PACKAGE.search(text)))
