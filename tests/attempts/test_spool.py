"""Do an attempt's events reach the driver, whole, once and in order?"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.attempts.hints import Hints, hint, hint_name
from orchestrator.attempts.spool import Spool, SpoolReader
from orchestrator.model.events import LogLine, TaskResult
from orchestrator.model.values import Json

Make = Callable[[Path], Spool]
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def spool() -> Iterator[Callable[[Path], Spool]]:
    made: list[Spool] = []

    def make(path: Path) -> Spool:
        made.append(Spool(path, now=lambda: AT, redact=_redact, hint_name="nobody"))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _redact(value: Json) -> Json:
    assert isinstance(value, dict)
    return {key: "*****" if item == "hunter22" else item for key, item in value.items()}


def test_what_is_told_is_read_in_order_and_once(tmp_path: Path, spool: Make) -> None:
    """A second look brings only what is new."""
    report, reader = spool(tmp_path / "s"), SpoolReader(tmp_path / "s", stage="a", attempt=1)
    assert reader.read() == ()
    report(LogLine(text="one"))
    report(LogLine(text="two"))
    first = reader.read()
    assert [row.body["text"] for row in first] == ["one", "two"]
    assert [row.sequence for row in first] == [1, 2]
    report(LogLine(text="three"))
    assert [row.sequence for row in reader.read()] == [3]


def test_a_torn_line_waits_for_its_rest(tmp_path: Path, spool: Make) -> None:
    """A line without its end is not read, and is read whole later."""
    path = tmp_path / "s"
    spool(path)(LogLine(text="whole"))
    data = path.read_bytes()
    path.write_bytes(data + data[:20])
    reader = SpoolReader(path, stage="a", attempt=1)
    assert len(reader.read()) == 1
    path.write_bytes(data + data)
    assert len(reader.read()) == 1


def test_a_later_reader_skips_what_is_stored(tmp_path: Path, spool: Make) -> None:
    """Adoption begins after the last sequence that was taken in."""
    report = spool(tmp_path / "s")
    for number in range(5):
        report(LogLine(text=str(number)))
    reader = SpoolReader(tmp_path / "s", stage="a", attempt=1, after=3)
    assert [row.sequence for row in reader.read()] == [4, 5]


def test_nothing_known_reaches_the_disk_in_clear(tmp_path: Path, spool: Make) -> None:
    """Redaction comes before the first byte."""
    spool(tmp_path / "s")(LogLine(text="hunter22"))
    assert b"hunter22" not in (tmp_path / "s").read_bytes()


def test_failures_and_hosts_can_be_asked_for(tmp_path: Path, spool: Make) -> None:
    """The columns that `logs --host --failed` filters by are filled."""
    spool(tmp_path / "s")(TaskResult(host="web-1", play="p", task="t", state="unreachable"))
    (row,) = SpoolReader(tmp_path / "s", stage="a", attempt=1).read()
    assert (row.host, row.failed, row.type, row.at) == ("web-1", True, "result", AT)


def test_a_hint_wakes_and_a_lost_one_is_no_error(tmp_path: Path) -> None:
    """Sending to nobody is silent; a listener returns at once."""
    name = hint_name(tmp_path)
    hint(name)
    hints = Hints(name)
    hint(name)
    hints.wait(30)
    hints.close()


def test_a_line_longer_than_a_look_is_read_whole(tmp_path: Path, spool: Make) -> None:
    """One huge event stops neither itself nor what comes after it."""
    report, reader = spool(tmp_path / "s"), SpoolReader(tmp_path / "s", stage="a", attempt=1)
    report(LogLine(text="x" * 5000))
    report(LogLine(text="after"))
    assert [row.sequence for row in reader.read(100)] == [1]
    assert [row.sequence for row in reader.read(100)] == [2]


def test_what_cannot_be_read_stops_nobody(tmp_path: Path, spool: Make) -> None:
    """A line that a loss of power tore is told as such; those after it are read."""
    path = tmp_path / "s"
    report = spool(path)
    report(LogLine(text="one"))
    report(LogLine(text="two"))
    with path.open("r+b") as file:
        file.seek(-8, 2)
        file.write(b"\0" * 7)
    report(LogLine(text="three"))
    rows = SpoolReader(path, stage="a", attempt=1).read()
    assert [row.sequence for row in rows] == [1, 2, 3]
    assert "cannot be read" in str(rows[1].body["text"])


class _Narrow:
    """A file on a disk with room for so many bytes: takes a part, then refuses, as Linux does."""

    def __init__(self, path: Path, room: int) -> None:
        self._file = path.open("ab", buffering=0)
        self.room = room

    def fileno(self) -> int:
        return self._file.fileno()

    def write(self, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = min(self.room, len(data))
        self.room -= taken
        return self._file.write(data[:taken]) or 0

    def close(self) -> None:
        self._file.close()


def test_a_full_disk_loses_words_but_tears_no_line(tmp_path: Path, spool: Make) -> None:
    """Reporting goes on as if nothing had happened, and says later how much is missing."""
    path = tmp_path / "s"
    report = spool(path)
    report(LogLine(text="one"))
    whole, narrow = report._file, _Narrow(path, 40)
    report._file = narrow  # type: ignore[assignment]  # as much of a file as is used
    report(LogLine(text="two"))
    report(LogLine(text="three"))
    narrow.room = 10_000
    report(LogLine(text="four"))
    narrow.close()
    report._file = whole
    rows = SpoolReader(path, stage="a", attempt=1).read()
    assert [row.sequence for row in rows] == [1, 2, 3]
    assert [row.body["text"] for row in rows[::2]] == ["one", "four"]
    assert "2 events are missing here" in str(rows[1].body["text"])
