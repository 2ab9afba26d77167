"""What happens where somebody puts a backup of the database back?"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import Tiny, command, held

pytestmark = pytest.mark.slow


def _backup(tiny: Tiny, to: Path) -> None:
    with closing(sqlite3.connect(tiny.database)) as now, closing(sqlite3.connect(to)) as copy:
        now.backup(copy)


def _put_back(tiny: Tiny, backup: Path) -> None:
    for name in ("-wal", "-shm"):
        Path(f"{tiny.database}{name}").unlink(missing_ok=True)
    tiny.database.write_bytes(backup.read_bytes())


@pytest.fixture
def older(make: Make, world: Path, tmp_path: Path) -> Tiny:
    """dev#2 ran after the backup that is in place now."""
    tiny = make(command(world, "one"))
    assert tiny.ask("up", "dev", "--yes").code == 0
    _backup(tiny, tmp_path / "backup")
    assert tiny.ask("up", "dev", "--yes").code == 0
    _put_back(tiny, tmp_path / "backup")
    return tiny


def test_an_older_database_is_noticed_and_nothing_is_changed_by_it(older: Tiny) -> None:
    """Acts are refused in words; looking goes on."""
    before = older.rows("select * from audit")
    for words in (("up", "dev", "--yes"), ("hold", "dev", "--why", "x"), ("destroy", "dev", "-y")):
        said = older.ask(*words)
        assert said.code == 1, said.all
        assert "older than what this machine has seen" in said.err
        assert "dev#2" in said.err
        assert "accept-restore" in said.err
    assert older.ask("status").code == 0
    assert "older than" in older.ask("store", "show").err
    assert older.rows("select * from audit") == before
    assert older.count("one") == 2


def test_it_counts_once_a_person_says_so(older: Tiny) -> None:
    """Tokens go on far above, nothing is skipped, the reason is recorded."""
    assert older.ask("store", "accept-restore", "--why", "disk died").code == 2
    assert older.ask("store", "accept-restore", "--yes").code == 10
    accepted = older.ask("store", "accept-restore", "--why", "disk died", "--yes")
    assert accepted.code == 0, accepted.all
    assert older.ask("up", "dev", "--yes").code == 0
    assert older.rows("select token > 1000000 from leases") == [(1,)]
    assert older.rows("select count(*) from audit where verb = 'store.restored'") == [(1,)]
    again = older.ask("store", "accept-restore", "--why", "x", "--yes")
    assert again.code == 10


def test_runs_that_were_under_way_in_the_backup_are_lost(
    make: Make, world: Path, tmp_path: Path
) -> None:
    """Nobody takes them over and starts their stages once more."""
    tiny = make(held(world, "one"), command(world, "two", needs=["one"]))
    begun = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("one")
    _backup(tiny, tmp_path / "backup")
    tiny.let("one")
    assert begun.answer().code == 0
    _put_back(tiny, tmp_path / "backup")
    assert tiny.ask("store", "accept-restore", "--why", "x", "--yes").code == 0
    assert tiny.rows("select status from runs") == [("lost",)]
    assert tiny.rows("select status from stages order by place") == [("lost",), ("blocked",)]
    assert tiny.ask("up", "dev", "--yes").code == 10
    assert tiny.ask("up", "dev", "--yes", "--lost", "one=again").code == 0
    assert tiny.counts("one", "two") == [2, 2]


def test_a_living_attempt_is_not_forgotten(make: Make, world: Path, tmp_path: Path) -> None:
    """While something of the store runs, the older database cannot count."""
    tiny = make(held(world, "one"))
    _backup(tiny, tmp_path / "backup")
    begun = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("one")
    begun.kill()
    _put_back(tiny, tmp_path / "backup")
    said = tiny.ask("store", "accept-restore", "--why", "x", "--yes")
    assert said.code == 12
    assert "still runs here" in said.err
