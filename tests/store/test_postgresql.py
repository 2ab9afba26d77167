"""Can several machines and projects share one PostgreSQL database without mistaking each other?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.model.errors import Locked, Refused, StoreMissing, StoreUnwritable, WrongStore
from orchestrator.store.database import postgresql_url
from orchestrator.store.opening import init_store, join_store, open_store
from orchestrator.store.store import DatabaseStore
from tests.needs import needs_postgres
from tests.postgres import Postgres
from tests.store.samples import AT, DEV, with_run, write_key

pytestmark = needs_postgres
PROJECT = "guestbook-1"


class Machines:
    """Lets a test be on one machine, then on another: each has a state home of its own."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._tmp_path = tmp_path
        self._monkeypatch = monkeypatch

    def be(self, name: str) -> Path:
        home = self._tmp_path / name
        self._monkeypatch.setenv("ORCHESTRATOR_STATE", str(home))
        return home / "orchestrator"


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    made = Machines(tmp_path, monkeypatch)
    made.be("one")
    return made


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.new_database()


def _made(url: str, project: str = PROJECT) -> DatabaseStore:
    return init_store(project, url, at=AT, make_key=write_key)


def test_a_store_has_a_folder_without_database_and_without_password(
    machines: Machines, url: str
) -> None:
    """The folder keeps id, key and attempts; what is secret in the URL stays out of it."""
    store = _made(url.replace("postgres@", "postgres:hunter2@") + "&password=hunter2")
    store.close()
    assert "orchestrator.db" not in [path.name for path in store.folder.iterdir()]
    told = (store.folder / "store.json").read_text()
    assert "hunter2" not in told
    assert postgresql_url(json.loads(told)["url"]) == postgresql_url(url)
    assert list(machines.be("one").iterdir()) == [store.folder]


def test_a_second_machine_joins_and_makes_nothing_new(machines: Machines, url: str) -> None:
    """Another machine is told to join; joined, it sees the same runs and leases."""
    first = _made(url)
    with_run(first)
    with first.write() as t:
        t.take_lease("guestbook", "dev", owner="ana@one", purpose="run dev#1", at=AT)
    home = machines.be("two")
    with pytest.raises(StoreMissing, match="store join"):
        open_store(PROJECT, url)
    with pytest.raises(Refused, match=r"carries a store of guestbook-1 already.*store join"):
        _made(url)
    assert not home.exists() or list(home.iterdir()) == []
    second = join_store(PROJECT, url, key_file=first.folder / "keys.json")
    assert second.id == first.id
    assert (second.folder / "keys.json").read_text() == "key"
    assert (second.folder / "keys.json").stat().st_mode & 0o777 == 0o600
    with second.read() as t:
        assert [run.key for run in t.runs()] == [DEV]
    with pytest.raises(Locked, match="ana@one"), second.write() as t:
        t.take_lease("guestbook", "dev", owner="bo@two", purpose="run dev#2", at=AT)
    with pytest.raises(Refused, match="has a store"):
        join_store(PROJECT, url, key_file=first.folder / "keys.json")
    first.close()
    second.close()


def test_what_is_not_there_cannot_be_joined(machines: Machines, url: str) -> None:
    """No key file, an empty database, an unknown project: nothing is created."""
    key = machines.be("one").parent / "keys.json"
    with pytest.raises(StoreMissing, match="no key file"):
        join_store(PROJECT, url, key_file=key)
    key.parent.mkdir()
    write_key(key)
    with pytest.raises(StoreMissing, match="carries no store"):
        join_store(PROJECT, url, key_file=key)
    _made(url, "other-1").close()
    with pytest.raises(StoreMissing, match="carries no store"):
        join_store(PROJECT, url, key_file=key)
    assert [path.name for path in machines.be("one").iterdir()] == ["other-1"]


def test_projects_in_one_database_do_not_meet(machines: Machines, url: str) -> None:
    """Runs, leases and audit numbers are each project's own, and none waits for another."""
    machines.be("one")
    one, two = _made(url), _made(url, "other-1")
    with one.write() as t, two.write() as u:  # not held up by one another
        t.take_lease("guestbook", "dev", owner="ana", purpose="x", at=AT)
        u.take_lease("guestbook", "dev", owner="bo", purpose="y", at=AT)
        t.audit(actor="ana", verb="up", subject="dev", at=AT, body={})
        u.audit(actor="bo", verb="up", subject="dev", at=AT, body={})
    with_run(one)
    with two.read() as u:
        assert u.runs() == ()
        assert u.next_number("guestbook", "dev") == 1
        assert [row["number"] for row in u.audit_rows()] == [1]
    one.close()
    two.close()


def test_another_store_of_the_same_project_is_refused(
    machines: Machines, postgres: Postgres, url: str
) -> None:
    """A URL that leads to another database is noticed: its store id differs, or it has none."""
    first = _made(url)
    first.close()
    kept = first.folder.rename(first.folder.parent / "kept")
    other = postgres.new_database()
    _made(other).close()
    shutil.rmtree(first.folder)
    kept.rename(first.folder)
    with pytest.raises(WrongStore, match="belongs to store"):
        open_store(PROJECT, other)
    with pytest.raises(WrongStore, match="does not know project"):
        open_store(PROJECT, postgres.new_database())
    with pytest.raises(WrongStore, match=r"orchestrator\.yaml"):
        open_store(PROJECT, "local")
    open_store(PROJECT, url).close()
    assert machines.be("one").exists()


def test_a_server_that_does_not_answer_is_said_so(machines: Machines, url: str) -> None:
    """No connection is an error in words without the password, and creates nothing."""
    _made(url).close()
    nowhere = "postgresql://ana:hunter2@/x?host=/nonexistent&password=hunter2"
    with pytest.raises(StoreUnwritable, match="does not answer") as refusal:
        open_store(PROJECT, nowhere)
    assert "hunter2" not in str(refusal.value)
    with pytest.raises(StoreUnwritable, match="does not answer"):
        _made(nowhere, "other-1")
    assert [path.name for path in machines.be("one").iterdir()] == [PROJECT]


def test_a_connection_that_was_cut_is_said_so_and_made_anew(machines: Machines, url: str) -> None:
    """A transaction that loses its server leaves nothing; the next one connects again."""
    machines.be("one")
    store = _made(url)
    with pytest.raises(StoreUnwritable, match="does not answer"):
        _cut(store)
    with_run(store)
    with store.read() as t:
        assert [run.key for run in t.runs()] == [DEV]
    store.close()


def _cut(store: DatabaseStore) -> None:
    import psycopg

    with store.connected() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        told = json.loads((store.folder / "store.json").read_text())["url"]
        plain = postgresql_url(told).set(drivername="postgresql").render_as_string()
        with psycopg.connect(plain, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        connection.exec_driver_sql("SELECT 1")


def test_a_login_that_may_not_write_is_said_so(machines: Machines, url: str) -> None:
    """A user without rights gets the server's own reason."""
    machines.be("one")
    store = _made(url)
    with store.connected() as connection:
        connection.exec_driver_sql("CREATE ROLE onlooker LOGIN")
        connection.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO onlooker")
    onlooker = open_store(PROJECT, url.replace("postgres@", "onlooker@"))
    with onlooker.read() as t:
        assert t.runs() == ()
    with pytest.raises(StoreUnwritable, match="permission denied"):
        with_run(onlooker)
    onlooker.close()
    store.close()
