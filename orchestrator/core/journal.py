"""What is a stack's deployment after the entries of a journal?

The replay of Pulumi 3.259.0 (pkg/backend/journal.go: JournalReplayer, and DeploymentV3.
NormalizeURNReferences), entry by entry, on JSON as it is. Equal to what the CLI writes itself:
`python -m bench.journal`. What refers to nothing is passed over: a replay never fails, for what was
accepted once has happened in the world.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from hashlib import sha256
from typing import Any

from orchestrator.core.resource_names import drop_dangling, rename
from orchestrator.model.stacks import Deployment

Resource = dict[str, Any]

_FEATURES = {  # of a resource's key: the deployment's feature that an older CLI must know
    "refreshBeforeUpdate": "refreshBeforeUpdate",
    "viewOf": "views",
    "resourceHooks": "hooks",
    "taint": "taint",
    "replaceWith": "replaceWith",
    "extensionRef": "extensionParameterization",
    "snippetID": "snippets-prototype",
}
_PLAIN, _WITH_FEATURES = 3, 4  # versions of the deployment's schema


class Kind(IntEnum):
    """apitype.JournalEntryKind."""

    BEGIN = 0
    SUCCESS = 1
    FAILURE = 2
    REFRESH_SUCCESS = 3
    OUTPUTS = 4
    WRITE = 5
    SECRETS_MANAGER = 6
    REBUILT_BASE_STATE = 7
    EXTENSION_PARAMETERIZE = 8
    SNIPPETS = 9


def replayed(
    base: Mapping[str, Any] | None, entries: Iterable[Mapping[str, Any]], *, cli: str
) -> dict[str, Any]:
    """{version, deployment, features?} after the entries, each taken once, in their own order.

    base: such a body before; None for an empty stack. cli: the version of the CLI that wrote them.
    """
    replay = _Replay(dict((base or {}).get("deployment") or {}), cli)
    by_number = {entry["sequenceID"]: entry for entry in entries}
    for number in sorted(by_number):
        replay.add(by_number[number])
    return replay.body()


def folded(content: bytes | None, batches: Sequence[bytes]) -> Deployment:
    """The deployment of a content as it is kept, after batches of entries as they are kept."""
    kept = [json.loads(batch) for batch in batches]
    entries = [entry for batch in kept for entry in batch["entries"]]
    base = json.loads(content) if content else None
    body = replayed(base, entries, cli=kept[-1]["cli"])
    return as_kept(body)


def as_kept(body: Mapping[str, Any]) -> Deployment:
    """{version, deployment, features?} in the form in which it is kept."""
    order = ("version", "deployment", "features")
    kept = {key: body[key] for key in order if body.get(key) is not None}
    deployment = body["deployment"]
    return Deployment(
        content=encoded(kept),
        resources=len(deployment.get("resources") or ()),
        pending=len(deployment.get("pending_operations") or ()),
    )


def encoded(body: Mapping[str, Any]) -> bytes:
    """JSON without spaces."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON may hold
        return json.dumps(body, separators=(",", ":")).encode()


class _Replay:
    def __init__(self, base: dict[str, Any], cli: str) -> None:
        self._cli = cli
        self._base = base
        self._byte_strings = False
        self._refreshed = False
        self._forget()

    def _forget(self) -> None:
        self._new: list[Resource] = []
        self._place: dict[int, int] = {}  # operation -> place in _new
        self._removed_new: set[int] = set()  # operations
        self._removed: set[int] = set()  # places in the base, as are these:
        self._replaced: dict[int, Resource] = {}
        self._to_delete: set[int] = set()
        self._to_replace: set[int] = set()
        self._begun: dict[int, Mapping[str, Any]] = {}
        self._extensions: dict[str, Any] = {}

    def add(self, entry: Mapping[str, Any]) -> None:
        self._byte_strings = self._byte_strings or bool(entry.get("requiresByteString"))
        operation = entry.get("operationID", 0)
        match entry["kind"]:
            case Kind.BEGIN:
                self._begun[operation] = entry
            case Kind.FAILURE:
                self._begun.pop(operation, None)
            case Kind.SUCCESS:
                self._begun.pop(operation, None)
                self._succeeded(entry, operation)
            case Kind.REFRESH_SUCCESS:
                self._begun.pop(operation, None)
                self._refreshed = True
                self._found(entry)
            case Kind.OUTPUTS:
                if entry.get("state") is not None:
                    self._found(entry)
            case Kind.WRITE:
                self._base = dict(entry.get("newSnapshot") or {})
            case Kind.SECRETS_MANAGER:
                self._base["secrets_providers"] = entry.get("secretsProvider")
            case Kind.SNIPPETS:
                self._base["snippets"] = entry.get("snippets")
            case Kind.REBUILT_BASE_STATE:
                self._base = self.body()["deployment"]
                self._forget()
            case Kind.EXTENSION_PARAMETERIZE:
                self._extensions[entry["extensionRef"]] = entry["extension"]

    def _succeeded(self, entry: Mapping[str, Any], operation: int) -> None:
        if entry.get("state") is not None:
            self._place[operation] = len(self._new)
            self._new.append(dict(entry["state"]))
        for key, places in (
            ("removeOld", self._removed),
            ("removeNew", self._removed_new),
            ("deleteOld", self._to_delete),
            ("pendingReplacementOld", self._to_replace),
        ):
            if entry.get(key) is not None:
                places.add(entry[key])
        for key, mark in (("deleteNew", "delete"), ("pendingReplacementNew", "pendingReplacement")):
            place = self._place.get(entry.get(key, -1))
            if place is not None:
                self._new[place][mark] = True
        self._refreshed = self._refreshed or bool(entry.get("isRefresh"))

    def _found(self, entry: Mapping[str, Any]) -> None:
        """A resource was read anew: it has this state, or none any more."""
        state, old, new = entry.get("state"), entry.get("removeOld"), entry.get("removeNew")
        if state is None:
            if old is not None:
                self._removed.add(old)
            if new is not None:
                self._removed_new.add(new)
            return
        if old is not None:
            self._replaced[old] = dict(state)
        if new is not None and new in self._place:
            self._new[self._place[new]] = dict(state)

    def body(self) -> dict[str, Any]:
        """What stands now."""
        produced = self._produced()
        resources = [*produced, *self._kept()]
        features = self._features(resources)
        operations = self._unfinished(features)
        if self._refreshed:
            drop_dangling(resources, new=len(produced))
        rename(resources)
        version = self._cli or (self._base.get("manifest") or {}).get("version", "")
        magic = sha256(version.encode()).hexdigest() if version else ""
        deployment: dict[str, Any] = {"manifest": {"magic": magic, "version": version}}
        extensions = {**self._extensions, **(self._base.get("extensions") or {})}
        for key, value in (
            ("secrets_providers", self._base.get("secrets_providers")),
            ("resources", resources),
            ("pending_operations", operations),
            ("snippets", self._base.get("snippets")),
            ("extensions", extensions),
        ):
            if value:
                deployment[key] = value
        deployment["metadata"] = {}
        if self._base.get("snippets"):
            features.add("snippets-prototype")
        body = {"version": _WITH_FEATURES if features else _PLAIN, "deployment": deployment}
        return {**body, "features": sorted(features)} if features else body

    def _produced(self) -> list[Resource]:
        gone = {self._place.get(operation) for operation in self._removed_new}
        return [dict(r) for place, r in enumerate(self._new) if place not in gone]

    def _kept(self) -> Iterable[Resource]:
        """Of the base, what this update did not make anew."""
        for place, resource in enumerate(self._base.get("resources") or ()):
            if place in self._removed:
                continue
            if place in self._replaced:
                yield dict(self._replaced[place])
                continue
            marks = {}
            if place in self._to_replace:
                marks["pendingReplacement"] = True
            if place in self._to_delete:
                marks["delete"] = True
            yield {**resource, **marks}

    def _unfinished(self, features: set[str]) -> list[dict[str, Any]]:
        """Creates of earlier updates stay until somebody settles them."""
        begun = [e["operation"] for e in self._begun.values() if e.get("operation")]
        earlier = self._base.get("pending_operations") or ()
        operations = [*begun, *(o for o in earlier if o.get("type") == "creating")]
        features |= self._features([operation.get("resource") or {} for operation in operations])
        return operations

    def _features(self, resources: Iterable[Resource]) -> set[str]:
        found = {_FEATURES[key] for r in resources for key in _FEATURES if r.get(key)}
        return found | {"byteString"} if self._byte_strings else found
