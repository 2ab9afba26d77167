"""Does anything of this store still run on this machine?"""

from __future__ import annotations

from pathlib import Path

from orchestrator.attempts.locks import is_held
from orchestrator.model.errors import Locked


def refuse_living(folder: Path) -> None:
    """Raises Locked where an attempt or a driver of the store in that folder still lives."""
    locks = sorted((folder / "attempts").glob("**/*.lock"))
    living = [lock for lock in locks if is_held(lock)]
    if living:
        raise Locked(
            f"something of this store still runs here: {living[0]} is held.",
            holds="Nothing was changed.",
            next="Wait for its end, or end the process that holds it.",
        )
