"""In which form does a deployment rest, and in which does the CLI get it?

At rest it names no server and no time: a server's address is good for one operation only, and
equal states shall be equal. Both are put in again when it is handed out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from orchestrator.core.journal import as_kept, encoded
from orchestrator.model.errors import SecretError
from orchestrator.model.stacks import Deployment, StackName
from orchestrator.pulumi.outputs import SECRET_MARK, SIGNATURE
from orchestrator.pulumi.service.cipher import StackCipher
from orchestrator.pulumi.service.integrity import BrokenDeployment, check

ORGANIZATION = "organization"  # as backends without a service call every one
SERVICE = "service"  # the secrets provider that asks the server
_TIME = re.compile(rb'("manifest":\{)"time":"[^"]*",')  # as the CLI writes it


def taken_in(body: Mapping[str, Any], *, raw: bytes = b"", url: str = "") -> Deployment:
    """What is kept of {version, deployment, features?}. Raises BrokenDeployment.

    raw: the very bytes of that body, where they came from the CLI that `url` serves: a state of
    many resources comes hundreds of times in an update, and encoding it anew is half of the cost.
    """
    deployment = check(body.get("version"), body.get("deployment"))
    return Deployment(
        content=_without_place_and_time(raw, deployment, url) or _encoded(body, deployment),
        resources=len(deployment.get("resources") or ()),
        pending=len(deployment.get("pending_operations") or ()),
    )


def _without_place_and_time(raw: bytes, deployment: Mapping[str, Any], url: str) -> bytes:
    """The bytes without the server's URL and the time of writing; none where that is not sure."""
    provider = deployment.get("secrets_providers")
    state = provider.get("state") if isinstance(provider, Mapping) else None
    if (
        not raw
        or not _is_ours(provider)
        or not isinstance(state, Mapping)
        or state.get("url") != url
    ):
        return b""
    content, times = _TIME.subn(rb"\g<1>", raw, count=1)
    content = content.replace(b'"url":"%b"' % url.encode(), b'"url":""')
    return content if times and url.encode() not in content else b""


def without_server(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """The deployment as it rests: no address of a server, no time."""
    kept = dict(deployment)
    manifest = kept.get("manifest")
    if isinstance(manifest, Mapping):
        kept["manifest"] = {k: v for k, v in manifest.items() if k != "time"}
    if _is_ours(kept.get("secrets_providers")):
        kept["secrets_providers"] = {"type": SERVICE}
    return kept


def _encoded(body: Mapping[str, Any], deployment: Mapping[str, Any]) -> bytes:
    kept: dict[str, Any] = {"version": body["version"], "deployment": without_server(deployment)}
    if body.get("features"):
        kept["features"] = body["features"]
    return encoded(kept)


def renamed(content: bytes, old: StackName, new: StackName) -> Deployment:
    """The content with URNs of the stack's new name."""
    before, after = (f"urn:pulumi:{name.name}::{name.project}::" for name in (old, new))
    return as_kept(json.loads(content.decode().replace(before, after)))


def handed_out(content: bytes | None, name: StackName, *, url: str, at: datetime) -> dict[str, Any]:
    """The body of an export; an empty stack has no deployment."""
    if content is None:
        return {"version": 3, "deployment": None}
    kept: dict[str, Any] = json.loads(content)
    body: dict[str, Any] = {
        key: kept[key] for key in ("version", "features", "deployment") if key in kept
    }
    deployment = body["deployment"]
    if isinstance(deployment.get("manifest"), dict):
        deployment["manifest"]["time"] = at.isoformat()
    if _is_ours(deployment.get("secrets_providers")):
        state = {"url": url, "owner": ORGANIZATION, "project": name.project, "stack": name.name}
        deployment["secrets_providers"] = {"type": SERVICE, "state": state}
    return body


def check_secrets(body: Mapping[str, Any], cipher: StackCipher) -> None:
    """Raises BrokenDeployment where the state holds secrets that another server encrypted."""
    deployment = body.get("deployment")
    if not isinstance(deployment, Mapping) or not _is_ours(deployment.get("secrets_providers")):
        return
    for sealed in _ciphertexts(deployment.get("resources")):
        try:
            cipher.decrypt(sealed)
        except SecretError:
            what = "its secrets were encrypted by another service, whose key is not here"
            raise BrokenDeployment((what,)) from None


def _is_ours(provider: object) -> bool:
    return isinstance(provider, Mapping) and provider.get("type") == SERVICE


def _ciphertexts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if value.get(SIGNATURE) == SECRET_MARK and "ciphertext" in value:
            yield str(value["ciphertext"])
            return
        for item in value.values():
            yield from _ciphertexts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _ciphertexts(item)
