"""Does every store keep what `ports.StackStates` promises? On each kind of store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.model.errors import Fenced, Locked, NotFound, Refused
from orchestrator.model.stacks import Deployment, StackName, StackUpdate, Writer
from orchestrator.ports import Transaction
from orchestrator.store.store import DatabaseStore
from tests.store.samples import AT, later

NAME = StackName("hosts", "dev")


def a_writer(store: DatabaseStore, *, stage: str = "hosts", attempt: int = 1) -> Writer:
    """Under a fresh lease of dev."""
    with store.write() as t:
        held = t.lease("guestbook", "dev")
        if held:
            t.release_lease("guestbook", "dev", held.token)
        lease = t.take_lease("guestbook", "dev", owner="ana", purpose="run dev#1", at=AT)
    return Writer(
        pipeline="guestbook",
        environment="dev",
        token=lease.token,
        run="dev#1",
        stage=stage,
        attempt=attempt,
    )


def an_update(by: Writer, id_: str = "u1", minutes: int = 0) -> StackUpdate:
    at = later(minutes)
    return StackUpdate(id=id_, kind="update", by=by, since=at, until=at + timedelta(minutes=5))


def a_deployment(text: str = "one", *, pending: int = 0) -> Deployment:
    return Deployment(content=json.dumps({"text": text}).encode(), resources=1, pending=pending)


def made(store: DatabaseStore) -> Writer:
    by = a_writer(store)
    with store.write() as t:
        t.make_stack(NAME, by, key="sealed", tags={"a": "b"}, at=AT)
    return by


def updated(store: DatabaseStore, by: Writer, text: str, number: int, minutes: int = 0) -> None:
    update = an_update(by, f"u{number}", minutes)
    with store.write() as t:
        t.begin_update(NAME, update, base=None)
        t.save_deployment(NAME, update, a_deployment(text))
        t.end_update(NAME, update, result="succeeded", at=later(minutes))


def contents(store: DatabaseStore) -> int:
    with store.connected() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM deployments").scalar()
    assert isinstance(found, int)
    return found


def test_an_update_from_start_to_end(store: DatabaseStore) -> None:
    """Begun, saved twice and ended: one version, which holds what was saved last."""
    by = made(store)
    update = an_update(by)
    with store.write() as t:
        assert t.begin_update(NAME, update, base=0) == 1
    with store.write() as t:
        t.save_deployment(NAME, update, a_deployment("one", pending=1))
    with store.read() as t:
        stack = t.stack(NAME)
        assert stack is not None
        assert (stack.version, stack.pending, stack.update) == (1, 1, update)
    with store.write() as t:
        t.save_deployment(NAME, update, a_deployment("two"))
        t.end_update(NAME, update, result="succeeded", at=later(1))
    with store.read() as t:
        assert t.deployment(NAME) == a_deployment("two").content
        (version,) = t.stack_versions(NAME)
        assert (version.result, version.pending, version.run) == ("succeeded", 0, "dev#1")
        assert t.stacks()[0].update is None
    assert contents(store) == 1


def test_equal_states_are_kept_once(store: DatabaseStore) -> None:
    """Two versions of one content share it; each can be had by its number."""
    by = made(store)
    for number, text in enumerate(("one", "two", "one"), start=1):
        updated(store, by, text, number)
    assert contents(store) == 2
    with store.read() as t:
        assert t.deployment(NAME, 2) == a_deployment("two").content
        assert t.deployment(NAME, 1) == t.deployment(NAME, 3)


def test_an_old_lease_writes_nothing(store: DatabaseStore) -> None:
    """Once another lease was taken, every kind of write is refused, and writes nothing."""
    old = made(store)
    update = an_update(old)
    with store.write() as t:
        t.begin_update(NAME, update, base=None)
    a_writer(store)
    acts: tuple[Callable[[Transaction], object], ...] = (
        lambda t: t.save_deployment(NAME, update, a_deployment()),
        lambda t: t.renew_update(NAME, update),
        lambda t: t.end_update(NAME, update, result="succeeded", at=AT),
        lambda t: t.begin_update(NAME, an_update(old, "u2"), base=None),
        lambda t: t.remove_stack(NAME, old, AT),
        lambda t: t.make_stack(StackName("other", "dev"), old, key="k", tags={}, at=AT),
    )
    for act in acts:
        with pytest.raises(Fenced, match="no longer the current one"), store.write() as t:
            act(t)
    with store.read() as t:
        assert t.deployment(NAME) is None
        assert len(t.stacks()) == 1


def test_a_later_lease_ends_what_a_dead_one_left(store: DatabaseStore) -> None:
    """No lock stays: an update of an earlier lease is failed by the next, and cannot come back."""
    old = made(store)
    with store.write() as t:
        t.begin_update(NAME, an_update(old), base=None)
    new = a_writer(store)
    updated(store, new, "new", 2)
    with store.read() as t:
        assert [v.result for v in t.stack_versions(NAME)] == ["succeeded", "failed"]


def test_two_updates_at_once_are_refused(store: DatabaseStore) -> None:
    """Under one lease the second is refused by name, until the first's time is over."""
    by = made(store)
    with store.write() as t:
        t.begin_update(NAME, an_update(by), base=None)
    other = replace(by, stage="network")
    with pytest.raises(Locked, match=r"run dev#1, stage hosts"), store.write() as t:
        t.begin_update(NAME, an_update(other, "u2"), base=None)
    with store.write() as t:
        assert t.begin_update(NAME, an_update(other, "u2", minutes=6), base=None) == 2
    with pytest.raises(Fenced, match="ended by another act"), store.write() as t:
        t.save_deployment(NAME, an_update(by), a_deployment())


def test_a_later_try_of_the_same_stage_takes_over(store: DatabaseStore) -> None:
    """The driver starts a second attempt only where the first is dead."""
    by = made(store)
    with store.write() as t:
        t.begin_update(NAME, an_update(by), base=None)
        assert t.begin_update(NAME, an_update(replace(by, attempt=2), "u2"), base=None) == 2


def test_a_base_that_moved_is_refused(store: DatabaseStore) -> None:
    """An update made for one version does not start from another."""
    by = made(store)
    updated(store, by, "one", 1)
    with pytest.raises(Refused, match=r"at version 1.*made for version 0"), store.write() as t:
        t.begin_update(NAME, an_update(by, "u2"), base=0)


def test_another_environment_may_read_only(store: DatabaseStore) -> None:
    """A stack belongs to the environment that made it."""
    made(store)
    with store.write() as t:
        lease = t.take_lease("guestbook", "prod", owner="bo", purpose="run prod#1", at=AT)
    other = Writer(pipeline="guestbook", environment="prod", token=lease.token, run="prod#1")
    with pytest.raises(Refused, match="belongs to guestbook/dev"), store.write() as t:
        t.begin_update(NAME, an_update(other), base=None)


def test_a_removed_stack_keeps_key_and_history(store: DatabaseStore) -> None:
    """Gone from sight; made again it is empty, under its old key, with higher versions."""
    by = made(store)
    updated(store, by, "one", 1)
    with store.write() as t:
        t.remove_stack(NAME, by, AT)
        assert t.stack(NAME) is None
        assert t.stack_key(NAME) == "sealed"
        assert t.make_stack(NAME, by, key="other", tags={}, at=AT).key == "sealed"
        assert t.deployment(NAME) is None
        assert t.deployment(NAME, 1) == a_deployment("one").content
        assert t.begin_update(NAME, an_update(by, "u2"), base=None) == 3
    with pytest.raises(NotFound), store.write() as t:
        t.begin_update(StackName("no", "such"), an_update(by), base=None)


def test_old_versions_go_by_rule(store: DatabaseStore) -> None:
    """The last 20 stay and the last of each day; contents nobody names go with them."""
    by = made(store)
    for number in range(1, 31):
        updated(store, by, f"text {number}", number, minutes=number * 60 * 8)
    with store.read() as t:
        kept = [version.version for version in t.stack_versions(NAME)]
    # three a day from 20:00 of the first one: the last of each day are 1, 4, 7, 10, …
    assert kept == [*range(30, 10, -1), 10, 7, 4, 1]
    assert contents(store) == len(kept)


def a_batch(number: int, name: str, *, ends: bool = True) -> bytes:
    """The journal of one create, of which the end may be missing."""
    resource = {"urn": f"urn:pulumi:dev::hosts::a:b:C::{name}", "type": "a:b:C", "custom": True}
    begun = {"kind": 0, "sequenceID": number, "operationID": number}
    begun["operation"] = {"type": "creating", "resource": resource}  # type: ignore[assignment]
    done = {"kind": 1, "sequenceID": number + 1, "operationID": number, "state": resource}
    return json.dumps({"cli": "v3.259.0", "entries": [begun, done][: 1 + ends]}).encode()


def test_entries_are_read_at_once_and_folded_at_the_end(store: DatabaseStore) -> None:
    """A batch counts once; whoever reads meanwhile sees the state after it; its end keeps it."""
    by = made(store)
    update = an_update(by)
    with store.write() as t:
        t.begin_update(NAME, update, base=0)
    for _ in range(2):
        with store.write() as t:
            t.add_entries(NAME, update, 1, a_batch(1, "a"))
    with store.write() as t:
        t.add_entries(NAME, update, 3, a_batch(3, "b", ends=False))
    with store.read() as t:
        stack, content = t.stack(NAME), t.deployment(NAME)
        assert stack is not None
        assert (stack.resources, stack.pending) == (1, 1)
        assert content is not None
    with store.write() as t:
        t.end_update(NAME, update, result="failed", at=later(1))
    with store.read() as t:
        assert t.deployment(NAME) == content
        (version,) = t.stack_versions(NAME)
        assert (version.result, version.resources, version.pending) == ("failed", 1, 1)
    assert contents(store) == 1


def test_a_killed_journal_is_what_the_next_update_starts_from(store: DatabaseStore) -> None:
    """Nothing that was acknowledged is lost; the dead one writes nothing more."""
    by = made(store)
    dead = an_update(by)
    with store.write() as t:
        t.begin_update(NAME, dead, base=0)
        t.add_entries(NAME, dead, 1, a_batch(1, "a"))
    heir = a_writer(store)
    with pytest.raises(Fenced), store.write() as t:
        t.add_entries(NAME, dead, 3, a_batch(3, "b"))
    update = an_update(heir, "u2")
    with store.write() as t:
        assert t.begin_update(NAME, update, base=None) == 2
    with store.read() as t:
        newest, old = t.stack_versions(NAME)
        assert (newest.resources, old.result, old.resources) == (1, "failed", 1)
        assert t.deployment(NAME) == t.deployment(NAME, 1)


def test_a_renamed_stack_keeps_its_versions(store: DatabaseStore) -> None:
    """Its old name is free; a name that is or was another's is refused."""
    by = made(store)
    updated(store, by, "one", 1)
    other = StackName("hosts", "other")
    with store.write() as t:
        t.rename_stack(NAME, by, other, later(1))
    with store.read() as t:
        assert t.stack(NAME) is None
        assert t.deployment(other) == a_deployment("one").content
    with store.write() as t:
        t.make_stack(NAME, by, key="sealed", tags={}, at=AT)
    with pytest.raises(Refused, match="already exists"), store.write() as t:
        t.rename_stack(NAME, by, other, later(2))
