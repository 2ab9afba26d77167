"""Does every store keep what `ports.Store` and `ports.Transaction` promise?

On SQLite in a file, SQLite in memory, and PostgreSQL. What needs several processes stands in
tests/store/test_contention.py.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

import pytest

from orchestrator.model.definitions import Cause
from orchestrator.model.errors import Fenced, Locked, NotFound, ReleaseError
from orchestrator.model.events import RunEvent
from orchestrator.model.runs import (
    LEASE_LASTS,
    Changes,
    Covered,
    Failure,
    InPlace,
    Lease,
    RequestKind,
    RunKey,
    RunStatus,
    Status,
    Ticket,
)
from orchestrator.model.values import Json
from orchestrator.ports import Transaction
from orchestrator.store.store import DatabaseStore
from tests.store.samples import (
    AT,
    DEV,
    a_run,
    a_stage,
    an_event,
    later,
    on_host,
    with_run,
)


def _add_and_fail(store: DatabaseStore) -> None:
    with store.write() as t:
        t.add_run(a_run(), [a_stage()])
        t.run(replace(DEV, number=2))


class TestTransactions:
    def test_what_a_failing_body_wrote_is_gone(self, store: DatabaseStore) -> None:
        """A transaction whose body raises leaves nothing behind."""
        with pytest.raises(NotFound):
            _add_and_fail(store)
        with store.read() as t:
            assert t.runs() == ()

    def test_a_read_refuses_to_write(self, store: DatabaseStore) -> None:
        """A write of a read transaction raises and changes nothing."""
        with_run(store)
        with store.read() as t:
            with pytest.raises(RuntimeError, match="cannot write"):
                t.save_run(replace(a_run(), reason="changed"))
            with pytest.raises(RuntimeError, match="cannot write"):
                t.take_lease("guestbook", "dev", owner="ana", purpose="run dev#1", at=AT)
        with store.read() as t:
            assert t.run(DEV).reason == ""

    def test_a_writer_sees_its_own_writes(self, store: DatabaseStore) -> None:
        """Inside a transaction its own writes are read back."""
        with store.write() as t:
            t.add_run(a_run(), [a_stage()])
            assert t.run(DEV) == a_run()
            assert t.next_number("guestbook", "dev") == 2


class TestLeases:
    def test_the_second_taker_learns_who_holds_it(self, store: DatabaseStore) -> None:
        """A held lease is refused with owner and purpose of its holder."""
        with store.write() as t:
            t.take_lease("guestbook", "dev", owner="ana@laptop", purpose="run dev#1", at=AT)
        with pytest.raises(Locked, match=r"run dev#1, by ana@laptop"), store.write() as t:
            t.take_lease("guestbook", "dev", owner="bo", purpose="run dev#2", at=AT)

    def test_tokens_grow_across_release(self, store: DatabaseStore) -> None:
        """A lease taken after a release has a higher token, and the old one frees nothing."""
        tokens = []
        for _ in range(3):
            with store.write() as t:
                taken = t.take_lease("guestbook", "dev", owner="ana", purpose="x", at=AT)
                t.release_lease("guestbook", "dev", taken.token - 1)
                assert t.lease("guestbook", "dev") == taken
                t.release_lease("guestbook", "dev", taken.token)
                assert t.lease("guestbook", "dev") is None
            tokens.append(taken.token)
        assert tokens == [1, 2, 3]

    def test_environments_and_pipelines_have_leases_of_their_own(
        self, store: DatabaseStore
    ) -> None:
        """A lease holds one environment of one pipeline, nothing else."""
        with store.write() as t:
            t.take_lease("guestbook", "dev", owner="ana", purpose="x", at=AT)
            t.take_lease("guestbook", "prod", owner="bo", purpose="y", at=AT)
            t.take_lease("other", "dev", owner="cy", purpose="z", at=AT)
            assert t.lease("guestbook", "staging") is None

    def test_a_lease_is_renamed_by_its_holder_only(self, store: DatabaseStore) -> None:
        """The current lease changes its purpose; a stale one raises Locked naming the holder."""
        with store.write() as t:
            old = t.take_lease("guestbook", "dev", owner="ana", purpose="x", at=AT)
            t.release_lease("guestbook", "dev", old.token)
            with pytest.raises(Locked, match="given back"):
                t.rename_lease(old, "y")
            now = t.take_lease("guestbook", "dev", owner="bo", purpose="x", at=later(1))
            t.rename_lease(now, "run dev#7")
            with pytest.raises(Locked, match="bo"):
                t.rename_lease(old, "y")
        with store.read() as t:
            assert t.lease("guestbook", "dev") == Lease(
                pipeline="guestbook",
                environment="dev",
                token=2,
                owner="bo",
                purpose="run dev#7",
                taken_at=later(1),
                until=later(6),
            )

    def test_a_lease_that_is_over_is_another_machines_to_take(self, store: DatabaseStore) -> None:
        """By time only on another machine than its holder's; the old token writes no more."""
        with store.write() as t:
            old = _taken(t, machine="one", at=AT)
        for machine, at in (("two", later(4)), ("one", later(60))):
            with pytest.raises(Locked, match="run x"), store.write() as t:
                _taken(t, machine=machine, at=at)
        with store.write() as t:
            new = _taken(t, machine="two", at=later(5))
        assert new.token == old.token + 1
        for act in ("renew", "check", "break"):
            with pytest.raises(Fenced, match=r"token 1 .* token 2"), store.write() as t:
                _with_token(t, act, old.token)
        with store.read() as t:
            assert t.lease("guestbook", "dev") == new

    def test_a_renewed_lease_lasts_longer(self, store: DatabaseStore) -> None:
        """Until the moment that the renewal says, and no other field changes."""
        with store.write() as t:
            taken = _taken(t, machine="one", at=AT)
            t.renew_lease("guestbook", "dev", taken.token, until=later(9))
            assert t.lease("guestbook", "dev") == replace(taken, until=later(9))
        with pytest.raises(Locked), store.write() as t:
            _taken(t, machine="two", at=later(8))

    def test_a_broken_lease_is_free_and_its_token_used_up(self, store: DatabaseStore) -> None:
        """The holder that comes back is refused, and so is its token if ever it were given."""
        with store.write() as t:
            old = _taken(t, machine="one", at=AT)
            t.break_lease("guestbook", "dev", old.token)
            assert t.lease("guestbook", "dev") is None
            assert t.leases() == ()
        with pytest.raises(Fenced, match="broken"), store.write() as t:
            t.renew_lease("guestbook", "dev", old.token, until=later(9))
        with store.write() as t:
            assert _taken(t, machine="two", at=AT).token == old.token + 2

    def test_a_hold_ends_by_its_time_or_not_at_all(self, store: DatabaseStore) -> None:
        """Without `until` nobody else ever takes it; with one, any machine may, its own as well."""
        with store.write() as t:
            held = _taken(t, machine="one", at=AT, purpose="hold: disks", lasts=None)
            assert (held.is_hold, held.why, held.until) == (True, "disks", None)
        with pytest.raises(Locked, match="hold: disks"), store.write() as t:
            _taken(t, machine="two", at=later(100_000))
        with store.write() as t:
            t.release_lease("guestbook", "dev", held.token)
            _taken(t, machine="one", at=AT, purpose="hold: disks")
        with store.write() as t:
            assert _taken(t, machine="one", at=later(5)).token == held.token + 2

    def test_a_hold_comes_back_when_the_act_above_it_ends(self, store: DatabaseStore) -> None:
        """With its owner, reason and time, and a token above all."""
        with store.write() as t:
            held = _taken(t, machine="one", at=AT, purpose="hold: disks", lasts=None)
            hold = held.as_hold()
            with pytest.raises(Locked):
                t.take_lease(
                    "guestbook", "dev", owner="bo", purpose="run x", at=AT,
                    beneath=replace(hold, why="another"),
                )  # fmt: skip
            run = t.take_lease(
                "guestbook", "dev", owner="ana", purpose="run x", at=AT, beneath=hold
            )
            assert t.lease("guestbook", "dev") == run
            assert run.beneath == hold
            t.release_lease("guestbook", "dev", run.token)
            assert t.lease("guestbook", "dev") == replace(held, token=run.token + 1)

    def test_what_a_held_lease_covers_is_refused_to_others(self, store: DatabaseStore) -> None:
        """A host is one environment's at a time, and is free again with the lease."""
        host = Covered("host 10.0.0.3:22", "web-1 (10.0.0.3:22)")
        with store.write() as t:
            dev = _taken(t, machine="", at=AT)
            prod = _taken(t, machine="", at=AT, environment="prod")
            t.cover(dev, [host, host])
            t.cover(dev, [host])
            assert t.covered("guestbook", "dev") == (host,)
        with pytest.raises(Locked, match=r"host web-1 \(10.0.0.3:22\) .* guestbook/dev"):
            _cover(store, prod, host)
        with store.write() as t:
            t.release_lease("guestbook", "dev", dev.token)
        _cover(store, prod, host)
        with pytest.raises(Fenced):
            _cover(store, dev, host)
        with store.read() as t:
            assert t.covered("guestbook", "prod") == (host,)

    def test_tickets_are_served_in_the_order_of_coming(self, store: DatabaseStore) -> None:
        """Each environment has a queue of its own; who drops leaves the rest in order."""
        with store.write() as t:
            mine = [_ticket(t, owner) for owner in ("ana", "bo", "cy")]
            _ticket(t, "di", environment="prod")
            t.drop_ticket(mine[1].number)
            t.renew_ticket(mine[2].number, later(7))
            assert t.tickets("guestbook", "dev") == (
                mine[0],
                replace(mine[2], alive_until=later(7)),
            )


def _taken(
    t: Transaction,
    *,
    machine: str,
    at: datetime,
    purpose: str = "run x",
    environment: str = "dev",
    lasts: timedelta | None = LEASE_LASTS,
) -> Lease:
    return t.take_lease(
        "guestbook", environment, owner="ana", purpose=purpose, at=at, machine=machine, lasts=lasts
    )


def _with_token(t: Transaction, act: str, token: int) -> None:
    if act == "renew":
        t.renew_lease("guestbook", "dev", token, until=later(99))
    elif act == "check":
        t.check_lease("guestbook", "dev", token)
    else:
        t.break_lease("guestbook", "dev", token)


def _cover(store: DatabaseStore, lease: Lease, thing: Covered) -> None:
    with store.write() as t:
        t.cover(lease, [thing])


def _ticket(t: Transaction, owner: str, environment: str = "dev") -> Ticket:
    return t.add_ticket(
        "guestbook",
        environment,
        owner=owner,
        machine="one",
        purpose="up dev",
        at=AT,
        deadline=later(30),
        alive_until=later(1),
    )


class TestRuns:
    def test_a_run_comes_back_as_it_was_saved(self, store: DatabaseStore) -> None:
        """Every field of a run survives, secrets sealed in its definition included."""
        run = replace(
            a_run(),
            definition={"a": {"$sealed": "xyz"}, "$b": [1, 1.5, None, True, "ü\0\ud800"]},
            select=("app...",),
            lease_token=2**40,
        )
        ended = replace(run, status=RunStatus.STOPPED, ended_at=later(3), reason="no\0go")
        with store.write() as t:
            t.add_run(run, [])
            assert t.run(DEV) == run
            t.save_run(ended)
        with store.read() as t:
            assert t.run(DEV) == replace(ended, reason="no\ufffdgo")
            assert t.stage_runs(DEV) == ()

    def test_stages_come_back_in_pipeline_order(self, store: DatabaseStore) -> None:
        """Stage runs keep every field, and the order of the pipeline."""
        full = replace(
            a_stage("app", order=1),
            status=Status.FAILED,
            attempts=2,
            started_at=AT,
            ended_at=later(2),
            changes=Changes(create=1, same=4),
            outputs={"dsn": {"$sealed": "xyz"}, "list": [1, {"$$a": "b"}]},
            failures=(
                Failure(where="web-1", what="no route", task="app : copy", cause=Cause.UNREACHABLE),
            ),
            hosts={"web-1": "unreachable"},
            reason="web-1",
            inputs_digest="i1",
            notes=("a note",),
        )
        with store.write() as t:
            t.add_run(a_run(), [a_stage("app", order=1), a_stage("base", order=0)])
            t.save_stage_run(full)
        with store.read() as t:
            assert t.stage_runs(DEV) == (a_stage("base", order=0), full)

    def test_runs_are_listed_newest_first(self, store: DatabaseStore) -> None:
        """Lists go by pipeline and environment, newest first, as many as asked."""
        keys = [DEV, RunKey("guestbook", "prod", 1), RunKey("other", "dev", 1)]
        for key in [*keys, replace(DEV, number=2)]:
            with_run(store, key)
        with store.read() as t:
            assert [run.key for run in t.runs()] == [replace(DEV, number=2), *reversed(keys)]
            assert [run.key.number for run in t.runs(pipeline="guestbook")] == [2, 1, 1]
            assert [run.key.number for run in t.runs(environment="dev", limit=2)] == [2, 1]
            assert t.next_number("guestbook", "dev") == 3
            assert t.next_number("guestbook", "staging") == 1

    def test_an_unknown_run_names_the_nearest(self, store: DatabaseStore) -> None:
        """NotFound says which runs there are."""
        with store.read() as t, pytest.raises(NotFound, match="Nothing has run yet"):
            t.run(DEV)
        for number in (1, 2, 5, 9):
            with_run(store, replace(DEV, number=number))
        with store.read() as t:
            with pytest.raises(NotFound, match=r"no run dev#6. The nearest: dev#2, dev#5, dev#9"):
                t.run(replace(DEV, number=6))
            with pytest.raises(NotFound, match=r"latest runs: guestbook/dev#9"):
                t.stage_runs(RunKey("guestbook", "prod", 1))
        with store.write() as t, pytest.raises(NotFound):
            t.save_run(a_run(RunKey("guestbook", "prod", 1)))


class TestTelling:
    def test_an_event_is_stored_once(self, store: DatabaseStore) -> None:
        """Adding again what is stored adds nothing and counts nothing."""
        with_run(store)
        with store.write() as t:
            assert t.add_recorded(DEV, []) == 0
            assert t.add_recorded(DEV, [an_event(1), an_event(2)]) == 2
        with store.write() as t:
            again = replace(an_event(2), body={"text": "other"})
            assert t.add_recorded(DEV, [again, an_event(3), an_event(3)]) == 1
            assert t.add_recorded(DEV, (an_event(n, attempt=2) for n in range(1, 3))) == 2
        with store.read() as t:
            assert t.taken_in(DEV, "network", 1) == 3
            assert t.taken_in(DEV, "network", 3) == 0
            stored = t.recorded(DEV, attempt=1)
            assert [replace(event, id=0) for event in stored] == [an_event(n) for n in (1, 2, 3)]

    def test_events_are_found_by_what_they_are_about(self, store: DatabaseStore) -> None:
        """Stage, attempt, host, failed, after and limit each narrow what comes, by id."""
        with_run(store)
        events = [
            an_event(1),
            on_host(an_event(2), "web-1"),
            on_host(an_event(3), "web-2", failed=True),
            an_event(1, stage="app"),
        ]
        with store.write() as t:
            t.add_recorded(DEV, events)
        with store.read() as t:
            every = t.recorded(DEV)
            assert [event.id for event in every] == sorted(event.id for event in every)
            assert [(e.stage, e.sequence) for e in every] == [(e.stage, e.sequence) for e in events]
            assert t.recorded(DEV, stage="app") == every[3:]
            assert t.recorded(DEV, host="web-1") == every[1:2]
            assert t.recorded(DEV, failed=True) == every[2:3]
            assert t.recorded(DEV, after=every[1].id, limit=1) == every[2:3]
            assert t.recorded(DEV, stage="app", attempt=2) == ()

    def test_what_a_tool_printed_is_kept_whatever_it_is(self, store: DatabaseStore) -> None:
        """NUL and broken UTF-8 in a line do not break the store."""
        with_run(store)
        odd = replace(an_event(1), body={"text": "a\0b\udcff ü"}, host="w\0\udcff")
        with store.write() as t:
            t.add_recorded(DEV, [odd])
        with store.read() as t:
            (event,) = t.recorded(DEV)
        assert event.body == odd.body
        assert event.host == "w\ufffd\ufffd"

    def test_run_events_and_requests_come_in_order(self, store: DatabaseStore) -> None:
        """Both are read by number, those after one that is known."""
        with_run(store)
        with_run(store, replace(DEV, number=2))
        told = RunEvent(type="run.started", run="dev#1", at=AT, body={"by": "ana"})
        with store.write() as t:
            t.add_run_event(DEV, told)
            t.add_run_event(replace(DEV, number=2), told)
            t.add_run_event(DEV, replace(told, type="stage.started", stage="network"))
            t.add_request(DEV, RequestKind.CANCEL, by="bo", at=AT)
            t.add_request(DEV, RequestKind.KILL, by="bo", at=later(1), stage="network")
        with store.read() as t:
            first, second = t.run_events(DEV)
            assert replace(first, id=0) == told
            assert (second.type, second.stage) == ("stage.started", "network")
            assert t.run_events(DEV, after=first.id) == (second,)
            cancel, kill = t.requests(DEV)
            assert (cancel.kind, cancel.run, cancel.by) == (RequestKind.CANCEL, DEV, "bo")
            assert (kill.stage, kill.at) == ("network", later(1))
            assert t.requests(DEV, after=cancel.number) == (kill,)

    def test_requests_of_one_run_are_forgotten(self, store: DatabaseStore) -> None:
        """Whoever opens a run again is asked nothing yet; other runs keep what they were asked."""
        second = replace(DEV, number=2)
        with_run(store)
        with_run(store, second)
        with store.write() as t:
            t.add_request(DEV, RequestKind.CANCEL, by="bo", at=AT)
            t.add_request(second, RequestKind.CANCEL, by="bo", at=AT)
            t.forget_requests(DEV)
            t.add_request(DEV, RequestKind.KILL, by="bo", at=AT)
        with store.read() as t:
            assert [request.kind for request in t.requests(DEV)] == [RequestKind.KILL]
            assert len(t.requests(second)) == 1


class TestEnvironments:
    def test_what_stands_is_replaced_and_taken_out(self, store: DatabaseStore) -> None:
        """One row per stage: put again it is replaced, taken out it is gone."""
        with_run(store)
        with_run(store, replace(DEV, number=2))
        network = InPlace(
            pipeline="guestbook",
            environment="dev",
            stage="network",
            run=DEV,
            release="d1",
            inputs_digest="i1",
            outputs={"cidr": "10.0.0.0/8", "dsn": {"$sealed": "x"}},
            at=AT,
        )
        newer = replace(network, run=replace(DEV, number=2), release="d2", at=later(1))
        app = replace(network, stage="app")
        with store.write() as t:
            for stage in (network, app, newer):
                t.put_in_place(stage)
        with store.read() as t:
            assert t.in_place("guestbook", "dev") == (app, newer)
            assert t.in_place("guestbook", "prod") == ()
        with store.write() as t:
            t.take_out("guestbook", "dev", "app")
            t.take_out("guestbook", "dev", "app")
            assert t.in_place("guestbook", "dev") == (newer,)

    def test_a_backend_is_recorded(self, store: DatabaseStore) -> None:
        """None before it is recorded, then the last recorded one."""
        with store.write() as t:
            assert t.backend("guestbook", "dev") is None
            t.record_backend("guestbook", "dev", "file:///a")
            t.record_backend("guestbook", "dev", "builtin")
            assert t.backend("guestbook", "dev") == "builtin"

    def test_only_a_claimed_environment_is_claimed(self, store: DatabaseStore) -> None:
        """A new store has the claims it was made with and no others, each with its audit row."""
        with store.read() as t:
            assert t.claimed("prod")
            assert not t.claimed("staging")
            (row,) = t.audit_rows()
        assert (row["verb"], row["subject"]) == ("store.claim", "prod")


class TestReleases:
    def test_a_release_is_found_by_digest_name_and_beginning(self, store: DatabaseStore) -> None:
        """Its body and its files come back; a digest's beginning will do where it is the only."""
        content = b"print('hi')\n" * 1000
        digest = sha256(content).hexdigest()
        body: dict[str, Json] = {"files": {"a.py": ["100644", digest]}, "dirty": False}
        with store.write() as t:
            assert t.known_blobs([digest, "other"]) == frozenset()
            t.add_release(digest="abcdef01", name="g@1", at=AT, body=body, blobs={digest: content})
            t.add_release(digest="abcdef02", name="g@2", at=later(1), body={}, blobs={})
        with store.read() as t:
            assert t.known_blobs([digest, "other"]) == {digest}
            assert t.blob(digest) == content
            assert t.release("abcdef01") == ("abcdef01", "g@1", AT, body)
            assert t.release("g@2")[0] == "abcdef02"
            assert t.releases() == (("abcdef02", "g@2", later(1)), ("abcdef01", "g@1", AT))
            assert t.releases(limit=1) == (("abcdef02", "g@2", later(1)),)
            with pytest.raises(ReleaseError, match="more than one"):
                t.release("abcdef")
            with pytest.raises(ReleaseError, match=r"no release g@3. The newest: g@2, g@1"):
                t.release("g@3")
            with pytest.raises(ReleaseError, match="not in the store"):
                t.blob("0" * 64)

    def test_a_release_is_stored_once(self, store: DatabaseStore) -> None:
        """The same digest again changes nothing; a name of another release is refused."""
        with store.write() as t:
            t.add_release(digest="d1", name="g@1", at=AT, body={"a": 1}, blobs={})
            t.add_release(digest="d1", name="g@9", at=later(1), body={"a": 1}, blobs={})
            assert t.releases() == (("d1", "g@1", AT),)
            with pytest.raises(ReleaseError, match="another release"):
                t.add_release(digest="d2", name="g@1", at=AT, body={}, blobs={})

    def test_a_content_under_a_wrong_digest_is_refused(self, store: DatabaseStore) -> None:
        """Nothing is stored under a sha256 that is not its own."""
        with pytest.raises(ValueError, match="sha256"), store.write() as t:
            t.add_release(digest="d1", name="g@1", at=AT, body={}, blobs={"0" * 64: b"x"})

    def test_many_digests_are_asked_at_once(self, store: DatabaseStore) -> None:
        """There is no limit to how many contents are asked for."""
        with store.read() as t:
            assert t.known_blobs(str(n) for n in range(3000)) == frozenset()


class TestAudit:
    def test_rows_are_numbered_and_newest_first(self, store: DatabaseStore) -> None:
        """Each act takes the next number of the project."""
        with store.write() as t:
            t.audit(actor="ana", verb="up", subject="dev#1", at=AT, body={"release": "d1"})
            t.audit(actor="bo", verb="cancel", subject="dev#1", at=later(1), body={})
        with store.read() as t:
            newest, up, claim = t.audit_rows()
            assert t.audit_rows(limit=1) == (newest,)
        assert [newest["number"], up["number"], claim["number"]] == [3, 2, 1]
        assert up == {
            "number": 2,
            "at": "2026-11-24T12:00:00.000000+00:00",
            "actor": "ana",
            "verb": "up",
            "subject": "dev#1",
            "body": {"release": "d1"},
        }

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit SET actor = 'eve'",
            "DELETE FROM audit",
            "INSERT INTO audit VALUES ('guestbook-1', 7, '', '', '', '', '{}')",
            "INSERT INTO audit VALUES ('guestbook-1', 1, '', '', '', '', '{}')",
            "INSERT OR REPLACE INTO audit VALUES ('guestbook-1', 1, '', '', '', '', '{}')",
            "TRUNCATE audit",
        ],
    )
    def test_the_database_refuses_to_change_the_audit(
        self, store: DatabaseStore, statement: str
    ) -> None:
        """Update, delete, replace, truncate and a number out of turn fail, and the row stands."""
        from sqlalchemy.exc import DBAPIError

        with store.read() as t:
            before = t.audit_rows()
        with pytest.raises(DBAPIError), store.connected() as connection:
            connection.exec_driver_sql(statement)
        with store.read() as t:
            assert t.audit_rows() == before
