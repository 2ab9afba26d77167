"""Which versions of a stack are kept? The last 20, and the last of each day (UTC)."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.model.stacks import StackVersion

LAST = 20


def no_longer_kept(versions: Sequence[StackVersion]) -> tuple[StackVersion, ...]:
    """Those that go. versions: all of one stack, newest first."""
    gone, day = [], None
    for place, version in enumerate(versions):
        is_last_of_day = version.at.date() != day
        day = version.at.date()
        if place >= LAST and not is_last_of_day:
            gone.append(version)
    return tuple(gone)
