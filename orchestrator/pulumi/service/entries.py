"""Are entries of a journal in order, and in which form do they rest?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.journal import Kind, encoded
from orchestrator.pulumi.service.bodies import BadBody
from orchestrator.pulumi.service.deployments import SERVICE, without_server

JOURNAL = 1  # the version of the journal's form
_NUMBERS = (
    "removeOld",
    "removeNew",
    "deleteOld",
    "deleteNew",
    "pendingReplacementOld",
    "pendingReplacementNew",
)
_AGENT = re.compile(r"pulumi-cli/\S+ \((v\d[^;\s]*)")


@dataclass(frozen=True, slots=True)
class Batch:
    """first: the number of the first entry. content: {cli, entries} as JSON."""

    first: int
    content: bytes = field(repr=False)


def batch_of(body: Mapping[str, Any], *, agent: str) -> Batch:
    """What is kept of {entries}. agent: the CLI's User-Agent. Raises BadBody saying what is wrong.

    An entry that we do not understand is refused before it is acknowledged: the CLI then stops.
    """
    entries = body.get("entries")
    if not isinstance(entries, list) or not entries:
        raise BadBody("entries must be a list of the journal's entries.")
    problems = [problem for place, e in enumerate(entries) for problem in _problems(place, e)]
    if problems:
        raise BadBody(
            f"These entries of the journal are not understood: {'; '.join(problems[:5])}."
        )
    kept = [_without_server(entry) for entry in entries]
    first = min(entry["sequenceID"] for entry in entries)
    return Batch(first, encoded({"cli": _version(agent), "entries": kept}))


def _version(agent: str) -> str:
    found = _AGENT.match(agent)
    return found.group(1) if found else ""


def _problems(place: int, entry: object) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        yield f"entry {place} is no object"
        return
    if entry.get("version") != JOURNAL:
        yield f"entry {place} is of version {entry.get('version')!r}, not {JOURNAL}"
    if not _is_number(entry.get("kind")) or entry["kind"] not in set(Kind):
        yield f"entry {place} is of the unknown kind {entry.get('kind')!r}"
    if not _is_number(entry.get("sequenceID")) or not _is_number(entry.get("operationID", 0)):
        yield f"entry {place} has no number"
    yield from (
        f"{key} of entry {place} is no number"
        for key in _NUMBERS
        if entry.get(key) is not None and not _is_number(entry[key])
    )
    operation = entry.get("operation")
    resources = [entry.get("state")]
    resources.append(operation.get("resource") if isinstance(operation, Mapping) else operation)
    for resource in resources:
        if resource is not None and not _is_resource(resource):
            yield f"the resource of entry {place} has no urn or type"
    snapshot = entry.get("newSnapshot")
    if snapshot is not None and not isinstance(snapshot, Mapping):
        yield f"the snapshot of entry {place} is no object"


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_resource(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(value.get(key), str) and value[key] for key in ("urn", "type")
    )


def _without_server(entry: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(entry)
    provider = kept.get("secretsProvider")
    if isinstance(provider, Mapping) and provider.get("type") == SERVICE:
        kept["secretsProvider"] = {"type": SERVICE}
    if kept.get("newSnapshot"):
        kept["newSnapshot"] = without_server(kept["newSnapshot"])
    return kept
