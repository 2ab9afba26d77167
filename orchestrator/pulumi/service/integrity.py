"""Is a deployment whole? Its parts are of the right form, and whatever it refers to is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.model.errors import OrchestratorError

VERSIONS = (3, 4)  # of the deployment's schema; 4 adds a list of features
_SHOWN = 5


class BrokenDeployment(OrchestratorError):
    """A state that may not be stored, and why."""

    def __init__(
        self, problems: tuple[str, ...], *, holds: str = "It was not stored.", next: str = ""
    ) -> None:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        super().__init__(
            f"This state of the stack is not whole: {'; '.join(problems[:_SHOWN])}{more}.",
            holds=holds,
            next=next,
        )
        self.problems = problems


def check(version: object, deployment: object) -> Mapping[str, Any]:
    """The deployment. Raises BrokenDeployment."""
    if version not in VERSIONS:
        raise BrokenDeployment((f"its version is {version!r}, not one of {VERSIONS}",))
    if not isinstance(deployment, Mapping):
        raise BrokenDeployment(("it is no object",))
    problems = tuple(_problems(deployment))
    if problems:
        raise BrokenDeployment(problems)
    return deployment


def _problems(deployment: Mapping[str, Any]) -> Iterator[str]:
    resources = deployment.get("resources") or []
    pending = deployment.get("pending_operations") or []
    if not isinstance(resources, list) or not isinstance(pending, list):
        yield "its resources are no list"
        return
    malformed = tuple(_malformed(resources, pending))
    yield from malformed
    if malformed:
        return
    known = {resource["urn"] for resource in resources}
    providers = {f"{r['urn']}::{r.get('id', '')}" for r in resources if _is_provider(r)}
    standing: set[str] = set()
    for resource in resources:
        urn = resource["urn"]
        if not resource.get("delete"):
            if urn in standing:
                yield f"{urn} stands in it twice"
            standing.add(urn)
        for role, other in _references(resource):
            if other not in known:
                yield f"{urn} names the {role} {other}, which is not in it"
        provider = resource.get("provider")
        if provider and provider not in providers and not resource.get("pendingReplacement"):
            yield f"{urn} names the provider {provider}, which is not in it"


def _malformed(resources: list[Any], pending: list[Any]) -> Iterator[str]:
    for place, resource in enumerate(resources):
        if not isinstance(resource, Mapping) or not _text(resource, "urn"):
            yield f"resource {place} has no urn"
        elif not _text(resource, "type"):
            yield f"{resource['urn']} has no type"
    for place, operation in enumerate(pending):
        inner = operation.get("resource") if isinstance(operation, Mapping) else None
        if not isinstance(inner, Mapping) or not _text(inner, "urn"):
            yield f"pending operation {place} has no resource"


def _references(resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for role in ("parent", "deletedWith"):
        if resource.get(role):
            yield role, resource[role]
    for other in resource.get("dependencies") or ():
        yield "dependency", other
    for others in (resource.get("propertyDependencies") or {}).values():
        for other in others or ():
            yield "dependency", other


def _is_provider(resource: Mapping[str, Any]) -> bool:
    return str(resource["type"]).startswith("pulumi:providers:")


def _text(item: Mapping[str, Any], key: str) -> bool:
    return isinstance(item.get(key), str) and bool(item[key])
