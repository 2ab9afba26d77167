"""Is a database that cannot be written said in words, with nothing half-written?"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.model.errors import ReleaseError, StoreUnwritable
from orchestrator.store import database, folders
from orchestrator.store.opening import init_store, open_store
from orchestrator.store.store import DatabaseStore
from tests.needs import needs_root
from tests.store.samples import AT, DEV, a_run, an_event, with_run, write_key

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseStore]:
    monkeypatch.setenv("ORCHESTRATOR_STATE", str(tmp_path))
    store = init_store("p1", at=AT, make_key=write_key)
    with_run(store)
    yield store
    store.close()


def test_a_database_that_may_not_grow_says_so_and_stays_whole(store: DatabaseStore) -> None:
    """SQLite's own limit stands in for a full disk: a clear error, and not one event of it."""
    with store.connected() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # the present size
    with pytest.raises(StoreUnwritable) as refusal, store.write() as t:
        t.add_recorded(DEV, [an_event(n) for n in range(1, 5000)])
    said = str(refusal.value)
    assert "disk is full" in said
    assert str(store.folder) in said
    assert "Nothing of this step was written" in said
    assert "repeat the command" in said
    with store.read() as t:
        assert t.recorded(DEV) == ()
    with store.connected() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    with store.write() as t:
        assert t.add_recorded(DEV, [an_event(n) for n in range(1, 5000)]) == 4999


@needs_root
@pytest.mark.slow
@pytest.mark.parametrize("fault", ["full", "read-only", "init"])
def test_a_real_disk_that_fails(tmp_path: Path, fault: str) -> None:
    """A full file system, and one mounted read-only: see tests/store/failing_disk.py."""
    ended = subprocess.run(
        ["unshare", "--mount", sys.executable, "-m", "tests.store.failing_disk", fault, tmp_path],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "ORCHESTRATOR_STATE": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "as it should be"


def test_a_database_locked_too_long_says_so(
    store: DatabaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that never ends is not waited for without end, and readers do not mind it."""
    monkeypatch.setattr(database, "LOCK_WAIT_S", 0)
    other = open_store("p1")
    with store.write() as t:
        t.save_run(a_run(reason="mine"))
        with pytest.raises(StoreUnwritable, match=r"kept .* locked"):
            _write(other)
        with other.read() as late:
            assert late.run(DEV).reason == ""
    _write(other)
    other.close()


def _write(store: DatabaseStore) -> None:
    with store.write() as t:
        t.save_run(a_run(reason="theirs"))


def test_a_file_that_is_no_database_says_that_it_is_damaged(store: DatabaseStore) -> None:
    """A damaged file asks for its backup and is not replaced."""
    store.close()
    path = store.folder / folders.DATABASE
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreUnwritable, match=r"damaged.*backup"):
        open_store("p1")
    assert path.read_bytes().startswith(b"no database")


def test_a_damaged_content_is_not_handed_out(store: DatabaseStore) -> None:
    """A release's file whose stored content is not what its digest says is refused."""
    with store.connected() as connection:
        connection.exec_driver_sql("INSERT INTO blobs VALUES ('p1', 'abc', x'00')")
    with store.read() as t, pytest.raises(ReleaseError, match="damaged"):
        t.blob("abc")


def test_a_mistake_of_ours_is_no_fault_of_the_disk(store: DatabaseStore) -> None:
    """A row that breaks the schema's rules is a bug and keeps its traceback."""
    from sqlalchemy.exc import IntegrityError, StatementError

    with pytest.raises(IntegrityError), store.write() as t:
        t.add_run(a_run(), [])
    with pytest.raises(StatementError, match="time zone"), store.write() as t:
        t.save_run(replace(a_run(), started_at=AT.replace(tzinfo=None)))
