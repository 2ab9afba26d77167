"""In which form does a deployment rest, and in which does the CLI get it?

At rest it names no server and no time: a server's address is good for one operation only, and
equal states shall be equal. Both are put in again when it is handed out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from orchestrator.model.errors import SecretError
from orchestrator.model.stacks import Deployment, StackName
from orchestrator.pulumi.outputs import SECRET_MARK, SIGNATURE
from orchestrator.pulumi.service.cipher import StackCipher
from orchestrator.pulumi.service.integrity import BrokenDeployment, check

ORGANIZATION = "organization"  # as backends without a service call every one
SERVICE = "service"  # the secrets provider that asks the server


def taken_in(body: Mapping[str, Any]) -> Deployment:
    """What is kept of {version, deployment, features?}. Raises BrokenDeployment."""
    deployment = dict(check(body.get("version"), body.get("deployment")))
    manifest = deployment.get("manifest")
    if isinstance(manifest, Mapping):
        deployment["manifest"] = {k: v for k, v in manifest.items() if k != "time"}
    provider = deployment.get("secrets_providers")
    if _is_ours(provider):
        deployment["secrets_providers"] = {"type": SERVICE}
    kept: dict[str, Any] = {"version": body["version"], "deployment": deployment}
    if body.get("features"):
        kept["features"] = body["features"]
    try:
        content = json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON may hold
        content = json.dumps(kept, separators=(",", ":")).encode()
    return Deployment(
        content=content,
        resources=len(deployment.get("resources") or ()),
        pending=len(deployment.get("pending_operations") or ()),
    )


def handed_out(content: bytes | None, name: StackName, *, url: str, at: datetime) -> dict[str, Any]:
    """The body of an export; an empty stack has no deployment."""
    if content is None:
        return {"version": 3, "deployment": None}
    body: dict[str, Any] = json.loads(content)
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
