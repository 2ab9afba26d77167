"""Would the simulator find a mistake? Each of these is one, planted while a seed's world goes on.

    .venv/bin/python -m tests.simulation.defects [most seeds]

prints for each the first seed that finds it, and what it says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

from orchestrator.attempts.folder import AttemptFolder, Proof
from orchestrator.attempts.locks import FileLock
from orchestrator.core.graph import graph_of
from orchestrator.model.runs import Failure, Outcome, Status
from orchestrator.services import driver, driving, holding, runs, watched
from orchestrator.services.driver import Driver
from orchestrator.services.standing import Standing
from orchestrator.services.watched import Ended, WatchedAttempt
from orchestrator.store import leases
from orchestrator.store.repository import StoreTransaction
from tests.simulation.story import told

MOST = 10_000

_proof, _ended, _told = AttemptFolder.proof, WatchedAttempt.ended, WatchedAttempt.told
_record_end, _end_run = Driver._record_end, Driver._end_run
_audit = StoreTransaction.audit


@contextmanager
def adopt_without_lock() -> Iterator[None]:
    """Whoever finds the lock of a run held drives it all the same."""
    real = FileLock.taken

    class AnyLock(FileLock):
        @classmethod
        def taken(cls, path: Any) -> FileLock | None:
            return real(path) or real(path.with_suffix(".mine")) or real(path.with_suffix(".ours"))

    with patch.object(runs, "FileLock", AnyLock):
        yield


@contextmanager
def lost_is_a_failure() -> Iterator[None]:
    """An attempt without a result has failed, and is tried again like any other."""

    def ended(self: WatchedAttempt, grace: Any) -> Ended | None:
        end = _ended(self, grace)
        if end is None or end.status is not Status.LOST:
            return end
        failure = Failure(where=self.stage, what="gone")
        return Ended(
            status=Status.FAILED, outcome=Outcome(status=Status.FAILED, failures=(failure,))
        )

    with patch.object(WatchedAttempt, "ended", ended):
        yield


@contextmanager
def lost_is_a_success() -> Iterator[None]:
    """No result is a good result."""

    def ended(self: WatchedAttempt, grace: Any) -> Ended | None:
        end = _ended(self, grace)
        return Ended(status=Status.SUCCEEDED) if end and end.status is Status.LOST else end

    with patch.object(WatchedAttempt, "ended", ended):
        yield


@contextmanager
def orphans_live_on() -> Iterator[None]:
    """A tool that outlived its attempt is left alone."""
    with patch.object(watched, "end_marked", lambda *_, **__: 0):
        yield


@contextmanager
def the_tail_is_not_read() -> Iterator[None]:
    """What an attempt told between the last look and its end is thrown away with its folder."""

    def ended(self: WatchedAttempt, grace: Any) -> Ended | None:
        end = _ended(self, grace)
        if end is not None:
            self._reader._offset = 1 << 40
        return end

    with patch.object(WatchedAttempt, "ended", ended):
        yield


@contextmanager
def adoption_skips_an_event() -> Iterator[None]:
    """Whoever adopts an attempt begins one event too late."""
    with patch.object(driver, "WatchedAttempt", partial(_late, WatchedAttempt)):
        yield


def _late(make: Callable[..., WatchedAttempt], *words: Any, after: int = 0, **more: Any) -> Any:
    return make(*words, after=after + 1 if after else 0, **more)


@contextmanager
def lease_released_too_early() -> Iterator[None]:
    """The first stage's end gives the environment back."""

    def record_end(self: Driver, tx: Any, name: str, end: Ended, now: Any) -> None:
        _record_end(self, tx, name, end, now)
        key = self._run.key
        tx.release_lease(key.pipeline, key.environment, self._run.lease_token)

    with patch.object(Driver, "_record_end", record_end):
        yield


@contextmanager
def lease_kept_for_ever() -> Iterator[None]:
    """The end of a run forgets to give it back."""

    def end_run(self: Driver, tx: Any, run: Any, now: Any) -> Any:
        with patch.object(type(tx), "release_lease", lambda *_: None):
            return _end_run(self, tx, run, now)

    with patch.object(Driver, "_end_run", end_run):
        yield


@contextmanager
def tokens_are_used_twice() -> Iterator[None]:
    """A lease that was given back passes its token on."""

    def put(self: Any, lease: Any) -> None:
        _put(self, replace(lease, token=max(1, lease.token - 1)))

    _put = leases.Leases._put_lease
    with patch.object(StoreTransaction, "_put_lease", put):
        yield


@contextmanager
def no_fencing_check() -> Iterator[None]:
    """Whoever had the lease once may write."""
    with (
        patch.object(StoreTransaction, "check_lease", lambda *_: None),
        patch.object(StoreTransaction, "renew_lease", lambda *_, **__: None),
    ):
        yield


@contextmanager
def a_broken_lease_lets_others_in() -> Iterator[None]:
    """A new run begins beside the one that lost its lease, whose attempts may live."""
    with patch.object(holding, "_refuse_beside", lambda *_: None):
        yield


@contextmanager
def another_machine_adopts() -> Iterator[None]:
    """Whoever takes a run over takes its attempts for its own machine's."""
    with patch.object(runs, "was_elsewhere", lambda *_: ""):
        yield


@contextmanager
def silence_is_death() -> Iterator[None]:
    """A machine that is not heard of at this moment counts as gone."""
    real = holding.standing_of

    def standing_of(app: Any, lease: Any) -> Any:
        found = real(app, lease)
        return holding.Standing.OVER if found is holding.Standing.ELSEWHERE else found

    with patch.object(holding, "standing_of", standing_of):
        yield


@contextmanager
def cancel_forgotten_after_a_restart() -> Iterator[None]:
    """Whoever takes a run over hears only what is asked from now on."""

    def requests(self: Any, key: Any, *, after: int = 0) -> Any:
        found = _requests(self, key, after=after)
        return found if after else ()

    _requests = StoreTransaction.requests
    with patch.object(StoreTransaction, "requests", requests):
        yield


@contextmanager
def ready_before_its_needs() -> Iterator[None]:
    """Every stage may run at once."""

    def bare(pipeline: Any) -> Any:
        graph = graph_of(pipeline)
        return replace(graph, edges=dict.fromkeys(graph, ()))

    with patch.object(driving, "graph_of", bare):
        yield


@contextmanager
def skips_what_is_not_proved() -> Iterator[None]:
    """Equal inputs are enough, whatever changed above."""

    def may_skip(self: Standing, stage: str, digest: str) -> bool:
        here = self._here.get(stage)
        return here is not None and here.inputs_digest.endswith(digest[-32:])

    with patch.object(Standing, "may_skip", may_skip):
        yield


@contextmanager
def an_end_without_its_audit_row() -> Iterator[None]:
    """The row is written after the transaction, and a failed run does not come that far."""

    def audit(self: Any, *, verb: str, body: Any, **more: Any) -> None:
        if not (verb.endswith(".ended") and body.get("status") == "failed"):
            _audit(self, verb=verb, body=body, **more)

    with patch.object(StoreTransaction, "audit", audit):
        yield


@contextmanager
def gone_is_never_started() -> Iterator[None]:
    """Whoever finds nothing living begins anew."""

    def proof(self: AttemptFolder) -> Proof:
        found = _proof(self)
        return Proof.NEVER_STARTED if found is Proof.GONE else found

    with patch.object(AttemptFolder, "proof", proof):
        yield


@contextmanager
def started_is_not_marked() -> Iterator[None]:
    """An attempt asks its executor before it says so."""
    with patch.object(AttemptFolder, "mark_started", lambda _: None):
        yield


@contextmanager
def folder_removed_before_it_is_recorded() -> Iterator[None]:
    """The result is read, its folder goes, and then it is written down."""

    def ended(self: WatchedAttempt, grace: Any) -> Ended | None:
        end = _ended(self, grace)
        if end is not None:
            while self.told():
                pass
            self.folder.remove()
        return end

    with patch.object(WatchedAttempt, "ended", ended):
        yield


@contextmanager
def a_torn_result_counts() -> Iterator[None]:
    """A living attempt's stage has ended as soon as it told something."""

    def ended(self: WatchedAttempt, grace: Any) -> Ended | None:
        if self.folder.spool.exists() and self.folder.spool.stat().st_size:
            return _ended(self, grace) or Ended(status=Status.SUCCEEDED)
        return _ended(self, grace)

    with patch.object(WatchedAttempt, "ended", ended):
        yield


@contextmanager
def outputs_of_another_attempt() -> Iterator[None]:
    """What a stage exports is what it exported the time before."""
    kept: dict[str, Mapping[str, Any]] = {}

    def record_end(self: Driver, tx: Any, name: str, end: Ended, now: Any) -> None:
        before = kept.get(name)
        kept[name] = end.outputs
        _record_end(self, tx, name, replace(end, outputs=before or end.outputs), now)

    with patch.object(Driver, "_record_end", record_end):
        yield


DEFECTS: Mapping[str, Callable[[], Any]] = {
    defect.__name__: defect
    for defect in (
        adopt_without_lock,
        lost_is_a_failure,
        lost_is_a_success,
        orphans_live_on,
        the_tail_is_not_read,
        adoption_skips_an_event,
        lease_released_too_early,
        lease_kept_for_ever,
        tokens_are_used_twice,
        no_fencing_check,
        a_broken_lease_lets_others_in,
        another_machine_adopts,
        silence_is_death,
        cancel_forgotten_after_a_restart,
        ready_before_its_needs,
        skips_what_is_not_proved,
        an_end_without_its_audit_row,
        gone_is_never_started,
        started_is_not_marked,
        folder_removed_before_it_is_recorded,
        a_torn_result_counts,
        outputs_of_another_attempt,
    )
}


def found_at(name: str, most: int = MOST) -> tuple[int, str]:
    """The first seed whose world shows the defect, and what it says; (-1, "") where none does."""
    for seed in range(most):
        ending = told(seed, DEFECTS[name])
        if ending.wrong and not told(seed).wrong:  # else it is not the defect that shows
            return seed, ending.wrong
    return -1, ""


def main(most: int = MOST) -> int:
    missed = 0
    for name in DEFECTS:
        seed, wrong = found_at(name, most)
        missed += seed < 0
        print(
            f"{name:<38} {'NOT FOUND' if seed < 0 else f'seed {seed}'}: {wrong[:110]}", flush=True
        )
    print(f"{len(DEFECTS) - missed} of {len(DEFECTS)} planted defects found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
