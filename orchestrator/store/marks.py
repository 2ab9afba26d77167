"""Is the database older than what this machine has seen of it? A restored backup is.

The newest act that this machine recorded is noted beside the database, in the store's folder. A
database that does not have that very act was put back from before it: leases, run numbers and
states in it are not those of the world, and nothing may be changed by them unasked.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from orchestrator.model.errors import StoreError
from orchestrator.model.values import Json

SEEN = "seen.json"
Act = Mapping[str, Json]  # a row of the audit


class OlderDatabase(StoreError):
    """The database was put back from before what this machine has seen."""


def note(folder: Path, act: Act) -> None:
    """The act is the newest that was seen. A folder that is not there, in memory, notes nothing."""
    if not folder.is_dir():
        return
    body = {
        **{key: act[key] for key in ("number", "at", "verb", "subject")},
        "digest": _digest(act),
    }
    draft = folder / f".{SEEN}.{os.getpid()}"
    with contextlib.suppress(OSError):  # a full disk: the act itself stands, the mark is older
        draft.write_text(json.dumps(body), encoding="utf-8")
        draft.replace(folder / SEEN)


def seen(folder: Path) -> Mapping[str, Any] | None:
    """The note; None where there is none, or none that can be read."""
    try:
        found = json.loads((folder / SEEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("number"), int) else None


def check_not_older(folder: Path, act: Act | None) -> None:
    """act: that of the database with the noted number. Raises OlderDatabase."""
    mark = seen(folder)
    if mark is None or (act is not None and _digest(act) == mark["digest"]):
        return
    raise OlderDatabase(
        f"the database is older than what this machine has seen of it: act {mark['number']} "
        f"({mark['verb']} {mark['subject']}, {str(mark['at'])[:19].replace('T', ' ')} UTC) is not "
        "in it. It was put back from a backup.",
        holds="Nothing was changed.",
        next="Put the newer one back. Where it is lost: orchestrator store accept-restore --why …",
    )


def forget(folder: Path) -> None:
    (folder / SEEN).unlink(missing_ok=True)


def _digest(act: Act) -> str:
    return sha256(json.dumps(act, sort_keys=True).encode()).hexdigest()
