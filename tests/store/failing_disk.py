"""What happens on a disk that is full or read-only? Run in a mount namespace of its own, as root.

unshare --mount python -m tests.store.failing_disk full|read-only|init FOLDER
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from orchestrator.model.errors import StoreUnwritable
from orchestrator.store.opening import init_store, open_store
from orchestrator.store.store import DatabaseStore
from tests.store.samples import AT, DEV, an_event, with_run, write_key

BATCH = 500


def main(fault: str, folder: Path) -> None:
    _mount("-t", "tmpfs", "-o", "size=2m", "none", str(folder))
    if fault == "init":
        _init(folder)
    elif fault == "full":
        _full(folder)
    else:
        _read_only(folder)
    print("as it should be")


def _init(folder: Path) -> None:
    """A store that does not fit leaves nothing at all."""
    (folder / "filler").write_bytes(b"x" * (2 * 1024 * 1024 - 16 * 4096))
    said = _refusal(lambda: init_store("p1", at=AT, make_key=write_key))
    assert "disk is full" in said or "cannot be" in said, said
    assert list((folder / "orchestrator").iterdir()) == []


def _full(folder: Path) -> None:
    """Every batch is whole or not there; after room was made the same store goes on."""
    filler = folder / "filler"
    filler.write_bytes(b"x" * 500_000)
    store = init_store("p1", at=AT, make_key=write_key)
    with_run(store)
    batches = 0

    def fill() -> None:
        nonlocal batches
        while True:
            _add(store, batches)
            batches += 1

    said = _refusal(fill)
    assert "disk is full" in said, said
    assert _stored(store) == batches * BATCH
    filler.unlink()
    _add(store, batches)
    assert _stored(store) == (batches + 1) * BATCH


def _read_only(folder: Path) -> None:
    """A read-only store is refused as such, and goes on once it can be written again."""
    store = init_store("p1", at=AT, make_key=write_key)
    with_run(store)
    store.close()
    _mount("-o", "remount,ro", str(folder))
    said = _refusal(lambda: open_store("p1"))
    assert "read-only" in said, said
    said = _refusal(lambda: init_store("p2", at=AT, make_key=write_key))
    assert "Read-only file system" in said, said
    assert not (folder / "orchestrator" / "p2").exists()
    _mount("-o", "remount,rw", str(folder))
    _add(open_store("p1"), 0)


def _refusal(act: Callable[[], object]) -> str:
    try:
        act()
    except StoreUnwritable as refusal:
        return str(refusal)
    raise AssertionError("it was not refused")


def _add(store: DatabaseStore, batch: int) -> None:
    with store.write() as t:
        t.add_recorded(DEV, [an_event(batch * BATCH + n) for n in range(1, BATCH + 1)])


def _stored(store: DatabaseStore) -> int:
    with store.read() as t:
        return len(t.recorded(DEV, limit=100_000))


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
