"""What was being created when Pulumi was killed, and can it be found again?

The state then holds `pending_operations`, and the next `up` creates such a resource a second time.
Where a provider derives ids from URNs, the id is known although nobody told it, and the resource is
put into the state under it. Otherwise a person must look; nothing is cleared
blindly (reference pulumi, 2.5 and 9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.pulumi.urns import PROVIDER, address_of, name_of, type_of

_PREFIXES = {  # providers whose ids are <prefix>-<first 12 hex digits of sha256 of the URN>
    "lighthost:index:Network": "network",
    "lighthost:index:Host": "host",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Creates that may or may not have happened. ids: by URN, where the provider derives them.

    inner: how many are creates of what is nothing in the world: components (the stack's own among
    them) and providers. others: updates and deletes, which a refresh settles by itself.
    """

    ids: Mapping[str, str]
    unknown: tuple[str, ...]  # URNs
    inner: int = 0
    others: int = 0

    @property
    def any(self) -> bool:
        return bool(self.ids or self.unknown or self.inner or self.others)


def pending_in(deployment: Mapping[str, Any]) -> Pending:
    """What a stack's state says is unfinished."""
    operations = deployment.get("pending_operations") or ()
    creates = [o["resource"] for o in operations if o.get("type") == "creating"]
    urns = [str(resource["urn"]) for resource in creates if _is_in_the_world(resource)]
    known = {urn: derived for urn in urns if (derived := derived_id(urn))}
    return Pending(
        ids=known,
        unknown=tuple(urn for urn in urns if urn not in known),
        inner=len(creates) - len(urns),
        others=len(operations) - len(creates),
    )


def _is_in_the_world(resource: Mapping[str, Any]) -> bool:
    return bool(resource.get("custom")) and not type_of(resource["urn"]).startswith(PROVIDER)


def derived_id(urn: str) -> str:
    """The id its provider gives this resource; empty where that is not known beforehand."""
    prefix = _PREFIXES.get(type_of(urn))
    return f"{prefix}-{hashlib.sha256(urn.encode()).hexdigest()[:12]}" if prefix else ""


def adopted(deployment: Mapping[str, Any], pending: Pending) -> dict[str, Any]:
    """The state with the unfinished creates as resources of it, under the ids they must have.

    A refresh then finds out which of them exist; a destroy deletes them either way. (The CLI's own
    `refresh --import-pending-creates` forgets them instead: 3.259.0, tried.) Those that are nothing
    in the world are simply made anew.
    """
    made = [
        {**operation["resource"], "id": pending.ids[operation["resource"]["urn"]]}
        for operation in deployment.get("pending_operations") or ()
        if operation.get("resource", {}).get("urn") in pending.ids
    ]
    for resource in made:
        resource.setdefault("outputs", resource.get("inputs") or {})
    body = {key: value for key, value in deployment.items() if key != "pending_operations"}
    known = [r for r in deployment.get("resources") or () if r.get("urn") not in pending.ids]
    return {**body, "resources": [*known, *made]}


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
        f"for each that is: pulumi import --stack {stack} --protect=false "
        f"'{type_of(first)}' '{name_of(first)}' ID; when none is left: "
        f"pulumi refresh --stack {stack} --clear-pending-creates"
    )
