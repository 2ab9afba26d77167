"""What was being created when Pulumi was killed, and can it be found again?

The state then holds `pending_operations`, and the next `up` creates such a resource a second time.
Where a provider derives ids from URNs, the id is known although nobody told it, and the resource is
taken in by `refresh --import-pending-creates`. Otherwise a person must look; nothing is cleared
blindly (reference pulumi, 2.5 and 9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.pulumi.urns import address_of, type_of

_PREFIXES = {  # providers whose ids are <prefix>-<first 12 hex digits of sha256 of the URN>
    "lighthost:index:Network": "network",
    "lighthost:index:Host": "host",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Creates that may or may not have happened. ids: by URN, where the provider derives them."""

    ids: Mapping[str, str]
    unknown: tuple[str, ...]  # URNs

    @property
    def any(self) -> bool:
        return bool(self.ids or self.unknown)


def pending_in(deployment: Mapping[str, Any]) -> Pending:
    """The unfinished creates of a stack's state."""
    urns = [
        str(operation.get("resource", {}).get("urn", ""))
        for operation in deployment.get("pending_operations") or ()
        if operation.get("type") == "creating"
    ]
    known = {urn: derived for urn in urns if (derived := derived_id(urn))}
    return Pending(ids=known, unknown=tuple(urn for urn in urns if urn not in known))


def derived_id(urn: str) -> str:
    """The id its provider gives this resource; empty where that is not known beforehand."""
    prefix = _PREFIXES.get(type_of(urn))
    return f"{prefix}-{hashlib.sha256(urn.encode()).hexdigest()[:12]}" if prefix else ""


def import_words(pending: Pending) -> tuple[str, ...]:
    """The words of `refresh` that take the found resources into the state."""
    words: list[str] = []
    for urn, id_ in pending.ids.items():
        words += ["--import-pending-creates", urn, "--import-pending-creates", id_]
    return tuple(words)


def advice(pending: Pending, stack: str) -> str:
    """What a person is told about creates that nobody can find again by itself."""
    names = ", ".join(address_of(urn) for urn in pending.unknown)
    count = len(pending.unknown)
    what = (
        "1 resource may or may not exist"
        if count == 1
        else f"{count} resources may or may not exist"
    )
    first = pending.unknown[0]
    return (
        f"{what}: {names}. Pulumi was killed while it created them. Look whether they are there; "
        f"for one that is: pulumi refresh --stack {stack} --import-pending-creates '{first}' "
        f"--import-pending-creates ID; when none is left: "
        f"pulumi refresh --stack {stack} --clear-pending-creates"
    )
