"""What do the resources of a deployment call each other, once some are gone or renamed?

As Pulumi 3.259.0: rebuildDependencies in pkg/backend/journal.go, and
DeploymentV3.NormalizeURNReferences in sdk/go/common/apitype/core.go. Both change what they get.
"""

from __future__ import annotations

from typing import Any

_STACK = "pulumi:pulumi:Stack"


def drop_dangling(resources: list[dict[str, Any]], *, new: int) -> None:
    """A refresh may take away what others depend on. In the order of dependencies.

    new: how many of them, the first ones, a program registered just now: of these the CLI keeps
    properties that depend on nothing.
    """
    known: set[str] = set()
    parents: dict[str, str] = {}
    for place, resource in enumerate(resources):
        for key in ("dependencies", "replaceWith"):
            if resource.get(key):
                _put(resource, key, [urn for urn in resource[key] if urn in known])
        if by_property := resource.get("propertyDependencies"):
            left = {
                key: [urn for urn in urns or () if urn in known]
                for key, urns in by_property.items()
            }
            kept = {key: urns for key, urns in left.items() if urns or place < new}
            _put(resource, "propertyDependencies", kept)
        if resource.get("deletedWith") not in known:
            resource.pop("deletedWith", None)
        known.add(resource["urn"])
    for resource in resources:
        parent = resource.get("parent", "")
        if parent not in known:
            _put(resource, "parent", parents.get(parent, ""))
        parents[resource["urn"]] = parent


def rename(resources: list[dict[str, Any]]) -> None:
    """Aliases are resolved: every name is the present one, and none has another any more."""
    now: dict[str, str] = {}
    for resource in resources:
        now.update(dict.fromkeys(resource.get("aliases") or (), resource["urn"]))
        parent = now.get(resource.get("parent", ""))
        if parent and _type(parent) != _STACK:
            now[resource["urn"]] = _below(parent, resource["urn"])
    for resource in resources:
        resource["urn"] = now.get(resource["urn"], resource["urn"])
        for key in ("parent", "deletedWith", "viewOf"):
            if resource.get(key):
                resource[key] = now.get(resource[key], resource[key])
        if resource.get("provider"):
            urn, _, identity = resource["provider"].rpartition("::")
            resource["provider"] = f"{now.get(urn, urn)}::{identity}"
        if resource.get("dependencies"):
            resource["dependencies"] = [now.get(urn, urn) for urn in resource["dependencies"]]
        if by_property := resource.get("propertyDependencies"):
            resource["propertyDependencies"] = {
                k: None if urns is None else [now.get(urn, urn) for urn in urns]
                for k, urns in by_property.items()
            }
        resource.pop("aliases", None)


def _type(urn: str) -> str:
    """The qualified type: parents' types and its own, by `$`."""
    return urn.split("::", 3)[2] if urn.count("::") > 2 else ""


def _below(parent: str, urn: str) -> str:
    """The URN of what has moved with its parent."""
    head, kinds, name = urn.rsplit("::", 2) if urn.count("::") == 3 else _split(urn)
    return f"{head}::{_type(parent)}${kinds.rpartition('$')[2]}::{name}"


def _split(urn: str) -> tuple[str, str, str]:
    """A name may hold `::` itself."""
    stack, project, kinds, name = urn.split("::", 3)
    return f"{stack}::{project}", kinds, name


def _put(resource: dict[str, Any], key: str, value: Any) -> None:
    """Empty is left out, as everywhere in a deployment."""
    if value:
        resource[key] = value
    else:
        resource.pop(key, None)
