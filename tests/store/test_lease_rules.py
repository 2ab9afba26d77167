"""Whatever is taken, given back, broken and covered in whatever order: is there one holder at most?

The store beside a model of it that a page holds: who has what, which tokens were given, what is
covered. Machines see time differently: on its holder's own machine only a hold ends by time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from orchestrator.model.errors import Fenced, Locked
from orchestrator.model.runs import LEASE_LASTS, Covered, Hold, Lease
from orchestrator.store.opening import memory_store
from tests.store.samples import AT

DEEP = os.environ.get("ORCHESTRATOR_SIMULATION") == "deep"
PROFILE = settings(
    max_examples=1000 if DEEP else 60,
    stateful_step_count=60 if DEEP else 30,
    deadline=None,  # the machine may be busy
    database=None,
    suppress_health_check=list(HealthCheck),
)
ENVIRONMENTS = st.sampled_from(["dev", "prod"])
MACHINES = st.sampled_from(["here", "there"])
THINGS = st.lists(
    st.sampled_from(["host a:22", "host b:22", "stack builtin s x"]), min_size=1, unique=True
)
Given = Any  # what a rule adds to the bundle: a lease, or nothing
MAYBE_LASTS = st.none() | st.sampled_from([timedelta(minutes=1), timedelta(hours=1)])


class Leases(RuleBasedStateMachine):
    """held: the lease of each environment as it must be; covers: thing -> environment."""

    given = Bundle("given")  # every lease that was ever given

    def __init__(self) -> None:
        super().__init__()
        self.store = memory_store("guestbook-1", at=AT)
        self.now = AT
        self.held: dict[str, Lease] = {}
        self.covers: dict[str, str] = {}
        self.highest = {"dev": 0, "prod": 0}

    def teardown(self) -> None:
        self.store.close()

    # what happens

    @rule(minutes=st.integers(1, 10))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(target=given, environment=ENVIRONMENTS, machine=MACHINES)
    def a_run_is_begun(self, environment: str, machine: str) -> Given:
        return self._take(environment, machine, "run", LEASE_LASTS)

    @rule(target=given, environment=ENVIRONMENTS, machine=MACHINES, lasts=MAYBE_LASTS)
    def a_person_holds(self, environment: str, machine: str, lasts: timedelta | None) -> Given:
        return self._take(environment, machine, "hold: work", lasts)

    @rule(target=given, environment=ENVIRONMENTS, machine=MACHINES)
    def a_run_goes_on_under_the_hold(self, environment: str, machine: str) -> Given:
        held = self.held.get(environment)
        beneath = held.as_hold() if held is not None and held.is_hold else None
        return self._take(environment, machine, "run", LEASE_LASTS, beneath)

    @rule(target=given, lease=given, machine=MACHINES)
    def a_run_goes_on_under_a_hold_that_was(self, lease: Lease, machine: str) -> Given:
        """Only where it is that very one still."""
        beneath = lease.as_hold() if lease.is_hold else None
        return self._take(lease.environment, machine, "run", LEASE_LASTS, beneath)

    @rule(environment=ENVIRONMENTS)
    def whoever_has_it_gives_it_back(self, environment: str) -> None:
        if environment in self.held:
            self.it_is_given_back(lease=self.held[environment])

    @rule(lease=given)
    def it_is_renewed(self, lease: Lease) -> None:
        until = self.now + LEASE_LASTS
        with self._refused_unless(self._is_current(lease)), self.store.write() as tx:
            tx.renew_lease("p", lease.environment, lease.token, until=until)
            self._put(lease.environment, until=until)

    @rule(lease=given)
    def it_is_given_back(self, lease: Lease) -> None:
        with self.store.write() as tx:
            tx.release_lease("p", lease.environment, lease.token)
        if self._is_current(lease):
            self._gone(lease.environment, self.held[lease.environment].beneath)

    @rule(lease=given)
    def it_is_broken(self, lease: Lease) -> None:
        with self._refused_unless(self._is_current(lease)), self.store.write() as tx:
            tx.break_lease("p", lease.environment, lease.token)
            self.highest[lease.environment] += 1
            self._gone(lease.environment, None)

    @rule(lease=given, things=THINGS)
    def it_covers(self, lease: Lease, things: list[str]) -> None:
        """All of them, or none: the transaction is undone where one is another's."""
        mine = lease.environment
        others = [thing for thing in things if self.covers.get(thing, mine) != mine]
        wanted = [Covered(thing, thing) for thing in things]
        if not self._is_current(lease):
            with pytest.raises(Fenced), self.store.write() as tx:
                tx.cover(lease, wanted)
        elif others:
            with pytest.raises(Locked), self.store.write() as tx:
                tx.cover(lease, wanted)
        else:
            with self.store.write() as tx:
                tx.cover(lease, wanted)
            self.covers |= dict.fromkeys(things, mine)

    @rule(environment=ENVIRONMENTS, things=THINGS)
    def whoever_has_it_covers(self, environment: str, things: list[str]) -> None:
        if environment in self.held:
            self.it_covers(lease=self.held[environment], things=things)

    # what must be true

    @invariant()
    def the_store_says_the_same(self) -> None:
        with self.store.read() as tx:
            for environment in ("dev", "prod"):
                held, covered = tx.lease("p", environment), tx.covered("p", environment)
                assert held == self.held.get(environment)
                if held is not None:
                    mine = {thing for thing, whose in self.covers.items() if whose == environment}
                    assert {each.thing for each in covered} == mine

    @invariant()
    def only_the_current_token_writes(self) -> None:
        """The highest that was ever given, and no other; the newest few are tried."""
        with self.store.read() as tx:
            for environment, highest in self.highest.items():
                for token in range(max(highest - 2, 0), highest + 2):
                    lease = self.held.get(environment)
                    with self._refused_unless(lease is not None and lease.token == token):
                        tx.check_lease("p", environment, token)

    # how

    def _take(
        self,
        environment: str,
        machine: str,
        purpose: str,
        lasts: timedelta | None,
        beneath: Hold | None = None,
    ) -> Given:
        held = self.held.get(environment)
        ends = held is not None and (held.is_hold or held.machine != machine)
        over = ends and held is not None and held.until is not None and held.until <= self.now
        same = held is not None and held.is_hold and held.as_hold() == beneath
        free = held is None or over or same
        try:
            with self.store.write() as tx:
                lease = tx.take_lease(
                    "p",
                    environment,
                    owner=f"ana@{machine} pid 1",
                    purpose=purpose,
                    at=self.now,
                    machine=machine,
                    lasts=lasts,
                    beneath=beneath,
                )
        except Locked:
            assert not free
            return multiple()
        assert free
        assert lease.token > self.highest[environment]
        self._gone(environment, None)
        self.highest[environment] = lease.token
        self.held[environment] = lease
        return lease

    def _is_current(self, lease: Lease) -> bool:
        held = self.held.get(lease.environment)
        return held is not None and held.token == lease.token

    def _put(self, environment: str, **changes: object) -> None:
        held = self.held[environment]
        fields = {name: getattr(held, name) for name in Lease.__slots__}
        self.held[environment] = Lease(**{**fields, **changes})

    def _gone(self, environment: str, beneath: Hold | None) -> None:
        """The hold beneath comes back under a token of its own, and covers the same."""
        if beneath is not None:
            self.highest[environment] += 1
            self._put(
                environment,
                token=self.highest[environment],
                owner=beneath.owner,
                purpose=beneath.purpose,
                machine=beneath.machine,
                taken_at=beneath.taken_at,
                until=beneath.until,
                beneath=None,
            )
            return
        self.held.pop(environment, None)
        self.covers = {thing: e for thing, e in self.covers.items() if e != environment}

    @contextmanager
    def _refused_unless(self, current: bool) -> Iterator[None]:
        if current:
            yield
            return
        with pytest.raises(Fenced):
            yield


def test_there_is_one_holder_at_most() -> None:
    """Whatever happens, the store and the page agree, and an old token writes nothing."""
    run_state_machine_as_test(Leases, settings=PROFILE)
