"""Is a journal's replay the state that the CLI would write, and are entries kept in order?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.journal import Kind, folded, replayed
from orchestrator.pulumi.service.bodies import BadBody
from orchestrator.pulumi.service.entries import batch_of
from tests.needs import needs_pulumi
from tests.pulumi.journal_runs import compared

AGENT = "pulumi-cli/1 (v3.259.0; linux)"
SEEDS = (1, 4, 6, 8)


@pytest.mark.slow
@needs_pulumi
@pytest.mark.parametrize("seed", SEEDS)
def test_a_replay_is_what_the_cli_writes(seed: int, tmp_path: Path) -> None:
    """Six acts on a program that changes; hundreds of them: python -m bench.journal."""
    assert compared(seed, tmp_path / "runs").total() >= 4


def urn(name: str) -> str:
    return f"urn:pulumi:dev::site::a:b:C::{name}"


def thing(name: str, **more: Any) -> dict[str, Any]:
    return {"urn": urn(name), "type": "a:b:C", "custom": True, "id": name, **more}


def entry(number: int, kind: Kind, of: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "kind": int(kind),
        "sequenceID": number,
        "operationID": of,
        **more,
    }


def create(number: int, name: str, *, ends: bool = True) -> list[dict[str, Any]]:
    operation = {"resource": thing(name), "type": "creating"}
    begun = entry(number, Kind.BEGIN, number, operation=operation)
    return [begun, entry(number + 1, Kind.SUCCESS, number, state=thing(name))][: 1 + ends]


def names(body: dict[str, Any]) -> list[str]:
    return [r["urn"].rpartition("::")[2] for r in body["deployment"].get("resources", ())]


def test_what_never_ended_is_pending() -> None:
    body = replayed(None, [*create(1, "a"), *create(3, "b", ends=False)], cli="v1")
    assert names(body) == ["a"]
    (pending,) = body["deployment"]["pending_operations"]
    assert pending["resource"]["urn"] == urn("b")


def test_entries_count_once_and_in_their_own_order() -> None:
    """A batch that is sent again, or comes late."""
    entries = [*create(1, "a"), *create(3, "b")]
    assert replayed(None, [*entries[2:], *entries, *entries[:1]], cli="v1") == replayed(
        None, entries, cli="v1"
    )


def test_what_refers_to_nothing_is_passed_over() -> None:
    """Whatever was accepted once never makes a stack unreadable."""
    odd = [
        entry(1, Kind.SUCCESS, 1, removeOld=7, removeNew=8, deleteNew=9, pendingReplacementNew=9),
        entry(2, Kind.OUTPUTS, 2, removeNew=12, state=thing("x")),
        entry(3, Kind.REFRESH_SUCCESS, 3, removeOld=4),
    ]
    base = {"version": 3, "deployment": {"resources": [thing("a")]}}
    assert names(replayed(base, odd, cli="v1")) == ["a"]


def test_a_refresh_takes_dependencies_along() -> None:
    """Whoever depended on what is gone depends on it no more."""
    base = {
        "version": 3,
        "deployment": {
            "resources": [
                thing("root"),
                thing("a", parent=urn("root")),
                thing("b", parent=urn("a"), dependencies=[urn("a")], deletedWith=urn("a")),
            ]
        },
    }
    body = replayed(base, [entry(1, Kind.REFRESH_SUCCESS, 1, removeOld=1)], cli="v1")
    b = body["deployment"]["resources"][1]
    assert b["urn"] == urn("b")
    assert not {"dependencies", "deletedWith", "parent"} & set(b)


def test_no_address_of_a_server_is_kept() -> None:
    provider = {"type": "service", "state": {"url": "http://127.0.0.1:4711"}}
    entries = [
        entry(1, Kind.SECRETS_MANAGER, secretsProvider=provider),
        *create(2, "a"),
    ]
    batch = batch_of({"entries": entries}, agent=AGENT)
    assert batch.first == 1
    assert b"4711" not in batch.content
    deployment = folded(None, [batch.content])
    assert b'"secrets_providers":{"type":"service"}' in deployment.content
    assert b'"version":"v3.259.0"' in deployment.content
    assert (deployment.resources, deployment.pending) == (1, 0)


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        (None, "must be a list"),
        ([], "must be a list"),
        (["x"], "entry 0 is no object"),
        ([entry(1, Kind.BEGIN) | {"kind": 10}], "unknown kind 10"),
        ([entry(1, Kind.BEGIN) | {"kind": []}], "unknown kind"),
        ([entry(1, Kind.BEGIN) | {"version": 2}], "of version 2, not 1"),
        ([entry(1, Kind.BEGIN) | {"sequenceID": "1"}], "has no number"),
        ([entry(1, Kind.SUCCESS, removeOld=-1)], "removeOld of entry 0 is no number"),
        ([entry(1, Kind.SUCCESS, state={"urn": "x"})], "has no urn or type"),
        ([entry(1, Kind.WRITE, newSnapshot=[])], "is no object"),
    ],
)
def test_what_is_not_understood_is_refused(entries: Any, what: str) -> None:
    with pytest.raises(BadBody, match=what):
        batch_of({"entries": entries}, agent=AGENT)
