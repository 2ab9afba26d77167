"""Does a project find its one store, wherever its checkout lies, and is nothing made by mistake?"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.model.errors import (
    Refused,
    StoreError,
    StoreMissing,
    StoreUnwritable,
    UsageError,
    WrongStore,
)
from orchestrator.store import folders
from orchestrator.store.opening import claim, init_store, memory_store, open_store
from orchestrator.store.store import DatabaseStore
from tests.needs import needs_git
from tests.store.samples import AT, DEV, later, with_run, write_key

PROJECT = "guestbook-7f3c"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHESTRATOR_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def _made(project: str = PROJECT) -> DatabaseStore:
    return init_store(project, protected="main", at=AT, make_key=write_key)


def _listing(folder: Path) -> list[tuple[str, int, bytes]]:
    """Everything below: name, mode and content."""
    return [
        (str(path), path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    ]


def test_the_state_home_is_ours_else_xdgs_else_the_homes() -> None:
    """The first of three that is set decides; a relative XDG folder counts as absent."""
    assert folders.state_home({"ORCHESTRATOR_STATE": "/a", "XDG_STATE_HOME": "/b"}) == Path("/a")
    assert folders.state_home({"XDG_STATE_HOME": "/b"}) == Path("/b")
    assert folders.state_home({"XDG_STATE_HOME": "b"}) == Path.home() / ".local/state"
    assert folders.state_home({}) == Path.home() / ".local/state"
    with pytest.raises(UsageError, match="absolute"):
        folders.state_home({"ORCHESTRATOR_STATE": "a"})


@pytest.mark.parametrize("odd", ["", "..", "a/b", ".hidden", "a\n", "x" * 200])
def test_an_id_that_cannot_be_a_folder_is_refused(odd: str) -> None:
    """An id never leads out of the state home."""
    with pytest.raises(UsageError, match="cannot name a folder"):
        folders.store_folder(odd)


def test_a_new_store_is_whole_and_private(state: Path) -> None:
    """Everything a store consists of is there, for its owner only, and nothing beside it."""
    store = _made()
    store.close()
    assert store.fresh
    assert store.folder == state / "orchestrator" / PROJECT
    assert [path.name for path in store.folder.parent.iterdir()] == [PROJECT]
    assert sorted(path.name for path in store.folder.iterdir()) == sorted(
        ["store.json", "keys.json", "orchestrator.db", *folders.FOLDERS]
    )
    for path in [store.folder, *store.folder.iterdir()]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    told = json.loads((store.folder / "store.json").read_text())
    assert told == {"store": store.id, "project": PROJECT, "url": "local"}
    assert (store.info.protected, store.info.created_at) == ("main", AT)


def test_a_second_init_says_that_it_exists_and_changes_nothing() -> None:
    """`fresh` is false the second time; key, claims and protected ref stay as they were."""
    first = _made()
    first.close()
    before = _listing(first.folder)
    second = init_store(
        PROJECT, protected="other", claim=["prod"], at=later(1), make_key=_never_called
    )
    with second.read() as t:
        assert not t.claimed("prod")
    second.close()
    assert not second.fresh
    assert second.info == first.info
    assert _listing(first.folder) == before


def _never_called(path: Path) -> None:
    raise AssertionError(path)


@needs_git
def test_clones_share_the_store_and_git_clean_does_not_lose_it(tmp_path: Path) -> None:
    """The project's id alone leads to the store: no clone and no clean makes a difference."""
    first = tmp_path / "first"
    first.mkdir()
    (first / "orchestrator.yaml").write_text(f"id: {PROJECT}\n")
    _git(first, "init", "-q")
    _git(first, "add", ".")
    _git(first, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x")
    store = _made(_id_in(first))
    with_run(store)
    store.close()
    _git(tmp_path, "clone", "-q", str(first), "second")
    _git(first, "clean", "-fdxq")
    for clone in (first, tmp_path / "second"):
        again = open_store(_id_in(clone))
        with again.read() as t:
            assert [run.key for run in t.runs()] == [DEV]
        assert again.id == store.id
        again.close()


def _git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, stdin=subprocess.DEVNULL)


def _id_in(checkout: Path) -> str:
    return (checkout / "orchestrator.yaml").read_text().removeprefix("id: ").strip()


def test_a_missing_store_is_refused_and_not_made(tmp_path: Path) -> None:
    """Opening makes nothing, not even the state home, and says what to do."""
    before = _listing(tmp_path)
    with pytest.raises(StoreMissing) as refusal:
        open_store(PROJECT)
    said = str(refusal.value)
    assert PROJECT in said
    assert "Nothing was created" in said
    assert "`orchestrator store init`" in said
    assert "another machine" in said
    assert _listing(tmp_path) == before


def test_another_project_is_refused_and_nothing_made(state: Path) -> None:
    """Another id meets no store; a folder moved under another id is told apart."""
    store = _made()
    store.close()
    before = _listing(state)
    with pytest.raises(StoreMissing, match="other-1"):
        open_store("other-1")
    assert _listing(state) == before
    shutil.copytree(store.folder, store.folder.parent / "other-1")
    before = _listing(state)
    with pytest.raises(WrongStore, match=f"store of project {PROJECT}, not of other-1"):
        open_store("other-1")
    with pytest.raises(WrongStore):
        _made("other-1")
    assert _listing(state) == before


def test_a_database_of_another_store_is_refused() -> None:
    """A database that was swapped is noticed by its store id."""
    one = _made()
    two = _made("other-1")
    one.close()
    two.close()
    shutil.copyfile(two.folder / folders.DATABASE, one.folder / folders.DATABASE)
    with pytest.raises(WrongStore, match=f"does not know project {PROJECT}"):
        open_store(PROJECT)
    told = {"store": "f" * 32, "project": "other-1", "url": "local"}
    (two.folder / folders.ABOUT).write_text(json.dumps(told))
    with pytest.raises(WrongStore, match="belongs to store ffffffff"):
        open_store("other-1")


def test_a_lost_database_is_not_made_anew(state: Path) -> None:
    """A store whose database is gone asks for its backup."""
    store = _made()
    store.close()
    (store.folder / folders.DATABASE).unlink()
    before = _listing(state)
    with pytest.raises(StoreMissing, match="backup"):
        open_store(PROJECT)
    with pytest.raises(StoreMissing, match="backup"):
        _made()
    assert _listing(state) == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"store": 1}'])
def test_a_damaged_store_file_is_an_error_of_ours_in_words(text: str) -> None:
    """A store.json that makes no sense is named, not traced."""
    store = _made()
    store.close()
    (store.folder / folders.ABOUT).write_text(text)
    with pytest.raises(StoreError, match=r"store\.json cannot be read"):
        open_store(PROJECT)


def test_a_local_store_is_not_opened_by_url() -> None:
    """orchestrator.yaml and the folder must name the same kind of store; passwords stay unsaid."""
    _made().close()
    with pytest.raises(WrongStore) as refusal:
        open_store(PROJECT, "postgresql://ana:hunter2@db/orchestrator")
    assert "`store: local`" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
    with pytest.raises(UsageError, match="neither"):
        init_store("other-1", "mysql://db/x", at=AT, make_key=write_key)
    with pytest.raises(UsageError, match="postgresql://"):
        init_store("other-1", "nonsense", at=AT, make_key=write_key)


def test_a_key_that_cannot_be_made_leaves_no_store(state: Path) -> None:
    """Whole or absent: where the key fails there is no folder, hidden or not."""

    def no_space(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    with pytest.raises(StoreUnwritable, match="No space left"):
        init_store(PROJECT, at=AT, make_key=no_space)
    assert list((state / "orchestrator").iterdir()) == []


def test_of_two_inits_at_once_the_second_leaves_the_first(state: Path) -> None:
    """Who comes second while the first is building finds out at the end, and leaves nothing."""

    def overtaken(path: Path) -> None:
        write_key(path)
        _made().close()

    with pytest.raises(Refused, match="another process"):
        init_store(PROJECT, at=AT, make_key=overtaken)
    assert [path.name for path in (state / "orchestrator").iterdir()] == [PROJECT]
    open_store(PROJECT).close()


def test_a_claim_is_an_audited_act() -> None:
    """A claimed environment may run; the claim stands in the audit once."""
    store = _made()
    claim(store, "prod", by="ana", at=AT)
    claim(store, "prod", by="bo", at=later(1))
    with store.read() as t:
        assert t.claimed("prod")
        assert not t.claimed("staging")
        assert [(row["actor"], row["verb"], row["subject"]) for row in t.audit_rows()] == [
            ("ana", "store.claim", "prod")
        ]
    store.close()


def test_memory_stores_are_apart() -> None:
    """Two stores in memory know nothing of each other."""
    one, two = memory_store(), memory_store()
    with_run(one)
    with two.read() as t:
        assert t.runs() == ()
    one.close()
    two.close()


@pytest.mark.slow
def test_opening_imports_neither_alembic_nor_psycopg(state: Path) -> None:
    """An ordinary command does not pay for what it does not use; folders alone cost nothing."""
    _made().close()
    script = f"""
import sys
from orchestrator.store import folders
assert "sqlalchemy" not in sys.modules
from orchestrator.store.opening import open_store
with open_store({PROJECT!r}).read() as t:
    t.runs()
assert not {{"alembic", "psycopg"}} & set(sys.modules)
"""
    subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        stdin=subprocess.DEVNULL,
        env={"ORCHESTRATOR_STATE": str(state), "PYTHONPATH": str(Path(__file__).parents[2])},
    )
