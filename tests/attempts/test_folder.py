"""What does an attempt's folder prove?"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from orchestrator.attempts.folder import AttemptFolder, Proof, write_whole
from orchestrator.attempts.locks import FileLock, is_held


@pytest.fixture
def folder(tmp_path: Path) -> AttemptFolder:
    return AttemptFolder.made(tmp_path / "run" / "hosts-1", {"kind": "command"})


def test_a_fresh_folder_is_private_and_never_started(folder: AttemptFolder) -> None:
    """Only its owner may read an order, and without a mark no tool was ever started."""
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.work.stat().st_mode & 0o777 == 0o600
    assert folder.proof() is Proof.NEVER_STARTED


def test_a_held_lock_is_life_whatever_else_lies_there(folder: AttemptFolder) -> None:
    """A result beside a held lock is not the end yet: the process may still be writing."""
    lock = FileLock.taken(folder.lock)
    assert lock is not None
    write_whole(folder.result, "{}")
    assert folder.proof() is Proof.LIVING
    lock.close()
    assert folder.proof() is Proof.ENDED


def test_a_tool_that_outlives_its_attempt_is_seen(folder: AttemptFolder) -> None:
    """Lost only when both locks are free."""
    folder.started.touch()
    tool = FileLock.taken(folder.tool_lock)
    assert tool is not None
    assert folder.proof() is Proof.ORPHANED
    tool.close()
    assert folder.proof() is Proof.GONE


def test_a_lock_is_taken_once(tmp_path: Path) -> None:
    """A second taker gets nothing while the first holds it."""
    first = FileLock.taken(tmp_path / "lock")
    assert first is not None
    assert FileLock.taken(tmp_path / "lock") is None
    assert is_held(tmp_path / "lock")
    first.close()
    assert not is_held(tmp_path / "lock")
    assert not is_held(tmp_path / "absent")


def test_what_an_earlier_try_left_does_not_mix_in(folder: AttemptFolder) -> None:
    """A folder made again holds the new order and nothing else."""
    folder.spool.write_text("old\n")
    again = AttemptFolder.made(folder.path, {"kind": "check"})
    assert not again.spool.exists()
    assert json.loads(again.work.read_text()) == {"kind": "check"}


def test_whole_or_as_it_was(tmp_path: Path) -> None:
    """A write that fails leaves the old file and no temporary one."""
    path = tmp_path / "result.json"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_who_only_looks_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look holds the lock for a moment, and that is no reason to call it taken."""
    path = tmp_path / "lock"
    path.touch()
    with path.open() as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        monkeypatch.setattr("time.sleep", lambda _: fcntl.flock(look, fcntl.LOCK_UN))
        taken = FileLock.taken(path)
        assert taken is not None
        taken.close()
