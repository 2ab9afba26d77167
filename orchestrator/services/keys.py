"""How does a store get a new key, and when can the older ones go?

The key file comes first, so that whoever is killed in between has keys for all that is sealed. One
rotation at a time on a machine; where another machine rotated meanwhile, its key file comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from orchestrator.attempts.locks import FileLock
from orchestrator.model.errors import Locked, Refused
from orchestrator.services.holding import person
from orchestrator.services.living import refuse_living
from orchestrator.store.rotating import key_ids, reseal
from orchestrator.store.store import DatabaseStore
from orchestrator.trust.vault import Keys, StoreVault


def key_file(store: DatabaseStore) -> Path:
    return store.folder / "keys.json"


def rotate(store: DatabaseStore, *, by: str, at: datetime) -> int:
    """How many values are sealed with a new key now; the older keys stay. Raises Refused, Locked.

    Killed at any point it is done again: every key that seals anything is in the file.
    """
    with _alone(store):
        keys = Keys.load(key_file(store))
        _refuse_strange(store, keys)
        vault = StoreVault(keys.rotated())
        return reseal(store, vault.resealed, verb="store.keys_rotated", by=by, at=at)


def drop_old(store: DatabaseStore, *, by: str, at: datetime) -> int:
    """The older keys are gone; how many values still had one. Raises Refused, Locked.

    Refused while anything goes on that may have begun with an older key and seal with it yet.
    """
    with _alone(store):
        keys = Keys.load(key_file(store))
        refuse_living(store.folder)
        _refuse_under_way(store, at)
        _refuse_strange(store, keys)
        vault = StoreVault(keys)
        count = reseal(store, vault.resealed, verb="store.keys_dropped", by=by, at=at)
        keys.without_old()
        return count


@contextmanager
def _alone(store: DatabaseStore) -> Iterator[None]:
    """Two that rotate at once would each put the other's new key out of the file."""
    lock = FileLock.taken(store.folder / "keys.lock")
    if lock is None:
        raise Locked(
            "somebody else rotates the keys of this store just now.",
            holds="Nothing was changed.",
            next="Try again.",
        )
    with closing(lock):
        for left in key_file(store).parent.glob(".keys.json.*"):  # of one who was killed
            left.unlink()
        yield


def _refuse_strange(store: DatabaseStore, keys: Keys) -> None:
    """A file without a key that is in use must not become the one that everybody copies."""
    strange = sorted(key_ids(store) - keys.sealing.keys())
    if strange:
        raise Refused(
            f"values of this store are sealed with key {', '.join(strange)}, which {keys.path} "
            "does not hold: another machine rotated the keys.",
            holds="Nothing was changed.",
            next="Copy that machine's keys.json over this one first.",
        )


def _refuse_under_way(store: DatabaseStore, at: datetime) -> None:
    with store.read() as tx:
        runs = [run.key.short for run in tx.runs(limit=1000) if not run.status.ended]
        leases = [each for each in tx.leases() if not each.is_hold]
        tickets = tx.all_tickets()
    if runs:
        raise Locked(
            f"{', '.join(runs)} has not ended, and may need an older key.",
            holds="Nothing was changed.",
            next=f"Wait for it: orchestrator wait {runs[0]}",
        )
    acts = [f"{person(each.owner)}: {each.purpose}" for each in leases if _lives(each.until, at)]
    acts += [f"{person(each.owner)}: {each.purpose}" for each in tickets if each.alive_until > at]
    if acts:
        raise Locked(
            f"{', '.join(acts)} has not ended or still waits, and may need an older key.",
            holds="Nothing was changed.",
            next="Try again after it.",
        )


def _lives(until: datetime | None, at: datetime) -> bool:
    return until is None or until > at
