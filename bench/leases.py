"""Do eight processes at one lease ever hold it at once?

    .venv/bin/python -m bench.leases [tries]

Each tries to take the lease, and where it got it makes a witness file that must not be there yet,
checks its token against the highest one that was seen, and gives both back. On SQLite, and on
PostgreSQL where it is installed. Goal (issue 4): 10,000 tries, 0 double holds.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from orchestrator.model.errors import Locked
from orchestrator.store.opening import init_store
from orchestrator.store.store import DatabaseStore
from tests.postgres import postgres_programs, running_postgres

PROCESSES = 8
Count = Synchronized  # of int


def main(tries: int = 10_000) -> None:
    with ExitStack() as stack:
        os.environ["ORCHESTRATOR_STATE"] = stack.enter_context(tempfile.TemporaryDirectory())
        urls = {"sqlite": "local"}
        if postgres_programs() is not None:
            server = stack.enter_context(running_postgres())
            urls["postgresql"] = server.new_database()
        for name, url in urls.items():
            store = init_store(
                f"bench-{name}", url, at=datetime.now(UTC), make_key=lambda path: path.touch()
            )
            print(f"{name:<10}  {_tried(store, tries)}")
            store.close()


def _tried(store: DatabaseStore, tries: int) -> str:
    context = multiprocessing.get_context("fork")
    left, won, double, backwards, last = (context.Value("q", n) for n in (tries, 0, 0, 0, 0))
    with tempfile.TemporaryDirectory() as folder:
        witness = Path(folder) / "held"

        def work() -> None:
            while _one_less(left):
                token = _taken(store)
                if token is None:
                    continue
                try:
                    os.close(os.open(witness, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    _add(double)
                if token <= last.value:
                    _add(backwards)
                last.value = token
                _add(won)
                witness.unlink(missing_ok=True)
                with store.write() as tx:
                    tx.release_lease("bench", "dev", token)

        begun = time.perf_counter()
        processes = [context.Process(target=work) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        took = time.perf_counter() - begun
    if any(process.exitcode for process in processes):
        raise SystemExit("a process died")
    return (
        f"{tries} tries of {PROCESSES} processes in {took:.0f} s: held {won.value} times, double "
        f"holds {double.value}, tokens that did not grow {backwards.value} (goal: 0, 0)"
    )


def _taken(store: DatabaseStore) -> int | None:
    try:
        with store.write() as tx:
            lease = tx.take_lease(
                "bench", "dev", owner=f"{os.getpid()}", purpose="bench", at=datetime.now(UTC)
            )
            return lease.token
    except Locked:
        return None


def _one_less(left: Count[int]) -> bool:
    with left.get_lock():
        left.value -= 1
        return left.value >= 0


def _add(count: Count[int]) -> None:
    with count.get_lock():
        count.value += 1


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
