"""Does a living attempt keep its run's lease, and stop where the lease is another's?"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.model.definitions import CommandSpec, StageKind
from orchestrator.model.errors import Fenced, StoreError
from orchestrator.model.events import LogLine, StageEvent
from orchestrator.model.runs import LEASE_LASTS, RENEW_EVERY, Action, RunKey
from orchestrator.model.work import Work
from orchestrator.store.opening import init_store
from orchestrator.wiring.keeping import first_kept, keep_lease, keeping_from
from orchestrator.wiring.store_access import handed_over
from tests.needs import needs_postgres
from tests.postgres import Postgres
from tests.store.samples import AT, write_key


class _Ended(Exception):
    """The process of the attempt has ended."""


def _work(store: Path, token: int = 1) -> Work:
    return Work(
        run=RunKey("p", "dev", 1),
        stage="a",
        attempt=1,
        action=Action.APPLY,
        kind=StageKind.COMMAND,
        spec=CommandSpec(run=("true",)),
        project=store,
        inventories=store,
        folder=store,
        cache=store / "cache",
        lease_token=token,
    )


def _pauses(number: int) -> Callable[[float], None]:
    left = [None] * number

    def pause(_: float) -> None:
        if not left:
            raise _Ended
        left.pop()

    return pause


class _Heard(list[str]):
    """What was told."""

    def __call__(self, event: StageEvent) -> None:
        assert isinstance(event, LogLine)
        self.append(event.text)


@dataclass
class _Time:
    """Passes only while somebody pauses."""

    now: float = 0.0

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def _away() -> None:
    raise StoreError("the database does not answer.")


def _is_anothers() -> None:
    raise Fenced("the lease is another's.")


def test_a_database_that_is_away_is_asked_again(tmp_path: Path) -> None:
    """And the tool goes on meanwhile."""
    asked: list[int] = []

    def renew() -> None:
        asked.append(len(asked))
        if len(asked) == 1:
            _away()

    work = _work(tmp_path)
    with pytest.raises(_Ended):
        keep_lease(work, renew, _Heard(), pause=_pauses(3))
    assert asked == [0, 1, 2]
    assert not work.cancel.asked


def test_whoever_lost_the_lease_stops_its_tool(tmp_path: Path) -> None:
    """At once, for another one may be at work there."""
    work, heard = _work(tmp_path), _Heard()
    keep_lease(work, _is_anothers, heard, pause=_pauses(1))
    assert work.cancel.asked
    assert work.cancel.harder
    assert heard == ["the tool is ended: the lease is another's."]


def test_nobody_works_on_past_a_lease_that_cannot_be_renewed(tmp_path: Path) -> None:
    """The tool ends before another machine may take the run over, and not much earlier."""
    work, heard, time = _work(tmp_path), _Heard(), _Time()
    keep_lease(work, _away, heard, pause=time.pause, now=time)
    assert work.cancel.harder
    lasts = LEASE_LASTS.total_seconds()
    assert lasts - 30 < time.now < lasts - 10
    assert "may be another's by now" in heard[0]


def test_nothing_begins_without_the_lease() -> None:
    """A lost one is told at once; a database that is away is given a while."""
    with pytest.raises(Fenced):
        first_kept(_is_anothers)
    time = _Time()
    with pytest.raises(StoreError):
        first_kept(_away, pause=time.pause, now=time)
    assert RENEW_EVERY.total_seconds() <= time.now < RENEW_EVERY.total_seconds() + 10
    back = [None, None]

    def renew() -> None:
        back.pop()
        if back:
            _away()

    first_kept(renew, pause=time.pause, now=time)
    assert back == []


def test_on_one_machine_nobody_needs_to(tmp_path: Path) -> None:
    """A local store is not even opened."""
    keeping_from({})(_work(tmp_path), _Heard())()


@needs_postgres
@pytest.mark.slow
def test_the_lease_lasts_while_an_attempt_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    """Renewed in the database; once the lease was broken the attempt stops."""
    monkeypatch.setenv("ORCHESTRATOR_STATE", str(tmp_path))
    url = postgres.new_database()
    store = init_store("p-1", url, at=AT, make_key=write_key)
    with store.write() as tx:
        taken = tx.take_lease("p", "dev", owner="ana", purpose="run p/dev#1", at=AT, machine="a")
    work = _work(store.folder, taken.token)
    begin = keeping_from(handed_over(url, {}))
    begin(work, _Heard())
    with store.read() as tx:
        lease = tx.lease("p", "dev")
    assert lease is not None
    assert lease.until is not None
    assert taken.until is not None
    assert lease.until > datetime.now(UTC) + LEASE_LASTS / 2 > taken.until
    with store.write() as tx:
        tx.break_lease("p", "dev", taken.token)
    with pytest.raises(Fenced):
        begin(work, _Heard())
    store.close()
