"""Do many processes at one store take turns, on SQLite and on PostgreSQL?"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from orchestrator.model.errors import Locked
from orchestrator.store.opening import init_store, memory_store, open_store
from orchestrator.store.store import DatabaseStore
from tests.needs import needs_postgres
from tests.postgres import Postgres
from tests.store.processes import all_ended_well, started
from tests.store.samples import AT, DEV, a_run, an_event, with_run, write_key

PROJECT = "guestbook-1"
WORKERS = 8
TURNS = 12  # of each worker; each costs many tries
KINDS = [
    pytest.param("sqlite", marks=pytest.mark.slow),
    pytest.param("postgresql", marks=needs_postgres),
]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ORCHESTRATOR_STATE", str(tmp_path / "state"))
    if request.param == "sqlite":
        return "local"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def store(url: str) -> Iterator[DatabaseStore]:
    """Children fork while it is open: none may use its parent's connection."""
    store = init_store(PROJECT, url, at=AT, make_key=write_key)
    yield store
    store.close()


def test_exactly_one_holds_the_lease_and_tokens_only_grow(store: DatabaseStore) -> None:
    """Eight processes, 96 leases: each is entered and left before the next, its token higher."""

    def work(number: int) -> None:
        for _ in range(TURNS):
            token = _take(store, f"worker {number}")
            _note(store, "enter", token)
            _note(store, "leave", token)
            with store.write() as t:
                t.release_lease("guestbook", "dev", token)

    assert all_ended_well(started(WORKERS, work))
    with store.read() as t:
        rows = list(reversed(t.audit_rows(limit=10_000)))
    told = [(row["verb"], row["subject"]) for row in rows]
    tokens = range(1, WORKERS * TURNS + 1)
    assert told == [(verb, str(token)) for token in tokens for verb in ("enter", "leave")]


def _take(store: DatabaseStore, owner: str) -> int:
    while True:
        with store.read() as t:
            held = t.lease("guestbook", "dev")
        if held is not None:
            os.sched_yield()
            continue
        try:
            with store.write() as t:
                taken = t.take_lease("guestbook", "dev", owner=owner, purpose="test", at=AT)
                return taken.token
        except Locked:
            continue  # another was faster


def _note(store: DatabaseStore, verb: str, token: int) -> None:
    with store.write() as t:
        held = t.lease("guestbook", "dev")
        assert held is not None
        assert held.token == token
        t.audit(actor=held.owner, verb=verb, subject=str(token), at=AT, body={})


def test_run_numbers_are_unique_under_contention(store: DatabaseStore) -> None:
    """Eight processes make runs at once: every number once, none left out."""

    def work(_: int) -> None:
        for _ in range(TURNS):
            with store.write() as t:
                t.add_run(a_run(replace(DEV, number=t.next_number("guestbook", "dev"))), [])

    assert all_ended_well(started(WORKERS, work))
    with store.read() as t:
        numbers = [run.key.number for run in t.runs(limit=10_000)]
    assert numbers == list(range(WORKERS * TURNS, 0, -1))


def test_threads_take_turns_at_a_store_in_memory() -> None:
    """Its one connection holds one transaction at a time."""
    store = memory_store()

    def work(_: int) -> None:
        with store.write() as t:
            t.add_run(a_run(replace(DEV, number=t.next_number("guestbook", "dev"))), [])
        with store.read() as t:
            assert t.runs(limit=1)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(100)))
    with store.read() as t:
        assert len(t.runs(limit=1000)) == 100
    store.close()


def test_the_same_events_from_many_are_counted_once(store: DatabaseStore) -> None:
    """Processes that take in one spool at once store each event once."""
    with_run(store)

    def work(_: int) -> None:
        for first in range(1, 401, 40):
            with store.write() as t:
                new = t.add_recorded(DEV, [an_event(first + n) for n in range(40)])
                t.audit(actor="", verb="new", subject=str(new), at=AT, body={})

    assert all_ended_well(started(WORKERS, work))
    with store.read() as t:
        assert [event.sequence for event in t.recorded(DEV)] == list(range(1, 401))
        assert sum(int(str(row["subject"])) for row in t.audit_rows(limit=1000)) == 400


def test_a_reader_keeps_its_snapshot_while_others_write(store: DatabaseStore) -> None:
    """What a reader sees does not change under it, and it holds up nobody."""
    with_run(store)
    with store.read() as t:
        assert len(t.runs()) == 1
        with_run(store, replace(DEV, number=2))
        assert len(t.runs()) == 1
    with store.read() as t:
        assert len(t.runs()) == 2


def test_a_kill_in_mid_transaction_leaves_what_was_committed(
    store: DatabaseStore, url: str
) -> None:
    """After SIGKILL the committed part is there, the open part is not, and the lock is free."""
    reads, writes = os.pipe()

    def work(_: int) -> None:
        with_run(store)
        with store.write() as t:
            t.add_run(a_run(replace(DEV, number=2)), [])
            t.add_recorded(DEV, [an_event(n) for n in range(1, 1000)])
            os.write(writes, b"x")
            signal.pause()

    (process,) = started(1, work)
    os.close(writes)
    assert os.read(reads, 1) == b"x"
    os.close(reads)
    _kill(process)
    store.close()
    again = open_store(PROJECT, url)
    with again.read() as t:
        assert [run.key for run in t.runs()] == [DEV]
        assert t.recorded(DEV) == ()
    with_run(again, replace(DEV, number=2))
    again.close()


def _kill(process: BaseProcess) -> None:
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
