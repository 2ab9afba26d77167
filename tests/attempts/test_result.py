"""Does what an attempt did become known, whatever stands in its way?"""

import errno
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.attempts import process
from orchestrator.attempts.folder import AttemptFolder, write_whole
from orchestrator.model.errors import SecretError


def test_a_result_waits_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk an attempt does not end without its result: its stage would be lost."""
    full = [True, True]

    def write(path: Path, text: str) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, text)

    def refused(_: AttemptFolder) -> process.Order:
        raise SecretError("no such secret")

    monkeypatch.setattr(process, "write_whole", write)
    monkeypatch.setattr(process, "become_subreaper", lambda: None)
    monkeypatch.setattr("time.sleep", lambda _: full.pop())
    folder = AttemptFolder.made(tmp_path / "a-1", {})
    process.carry_out(folder, opened=refused, executors={}, now=lambda: datetime.now(UTC))
    assert full == []
    answer = folder.answer()
    assert answer is not None
    assert "no such secret" in str(answer["error"])
