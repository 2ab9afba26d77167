"""Does a living attempt keep its run's lease, and stop where the lease is another's?"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.model.definitions import CommandSpec, StageKind
from orchestrator.model.errors import Fenced, StoreError
from orchestrator.model.runs import LEASE_LASTS, Action, RunKey
from orchestrator.model.work import Work
from orchestrator.store.opening import init_store
from orchestrator.wiring import keeping
from orchestrator.wiring.keeping import keep_lease, keeping_from
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


def _pauses(number: int) -> Callable[[], None]:
    left = [None] * number

    def pause() -> None:
        if not left:
            raise _Ended
        left.pop()

    return pause


def test_a_database_that_is_away_is_asked_again(tmp_path: Path) -> None:
    """And the tool goes on meanwhile."""
    asked: list[int] = []

    def renew() -> None:
        asked.append(len(asked))
        if len(asked) == 1:
            raise StoreError("the database does not answer.")

    work = _work(tmp_path)
    with pytest.raises(_Ended):
        keep_lease(work, renew, pause=_pauses(3))
    assert asked == [0, 1, 2]
    assert not work.cancel.asked


def test_whoever_lost_the_lease_stops_its_tool(tmp_path: Path) -> None:
    """At once, for another one may be at work there."""

    def renew() -> None:
        raise Fenced("the lease is another's.")

    work = _work(tmp_path)
    keep_lease(work, renew, pause=_pauses(1))
    assert work.cancel.asked
    assert work.cancel.harder


def test_on_one_machine_nobody_needs_to(tmp_path: Path) -> None:
    """A local store is not even opened."""
    keeping_from({})(_work(tmp_path))


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
    keep = keeping_from(handed_over(url, {}))
    monkeypatch.setattr(keeping, "_pause", _pauses(1))
    with pytest.raises(_Ended):
        keep(work)
    with store.read() as tx:
        lease = tx.lease("p", "dev")
    assert lease is not None
    assert lease.until is not None
    assert taken.until is not None
    assert lease.until > datetime.now(UTC) + LEASE_LASTS / 2 > taken.until
    with store.write() as tx:
        tx.break_lease("p", "dev", taken.token)
    monkeypatch.setattr(keeping, "_pause", _pauses(1))
    keep(work)
    assert work.cancel.asked
    store.close()
