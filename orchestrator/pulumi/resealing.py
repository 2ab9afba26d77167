"""How does a state keep its secrets when it moves from one key to another?

A secret in a deployment is {mark, ciphertext}, or {mark, plaintext} where `stack export
--show-secrets` wrote it; both hold the value as JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.pulumi.outputs import SECRET_MARK, SIGNATURE

Change = Callable[[str], str]
_WITH_SECRETS = ("resources", "pending_operations")


def resealed(
    deployment: Mapping[str, Any], decrypt: Change, encrypt: Change, provider: Mapping[str, Any]
) -> dict[str, Any]:
    """The deployment with every secret under another key. Raises what `decrypt` raises."""

    def changed(secret: Mapping[str, Any]) -> dict[str, Any]:
        plain = secret["plaintext"] if "plaintext" in secret else decrypt(secret["ciphertext"])
        return {SIGNATURE: SECRET_MARK, "ciphertext": encrypt(plain)}

    moved = {
        key: _walked(value, changed) if key in _WITH_SECRETS else value
        for key, value in deployment.items()
    }
    return {**moved, "secrets_providers": dict(provider)}


def in_clear(deployment: Mapping[str, Any], decrypt: Change) -> dict[str, Any]:
    """Its resources and operations under way, as `stack export --show-secrets` has them."""

    def opened(secret: Mapping[str, Any]) -> dict[str, Any]:
        plain = secret["plaintext"] if "plaintext" in secret else decrypt(secret["ciphertext"])
        return {SIGNATURE: SECRET_MARK, "plaintext": plain}

    return {key: _walked(deployment.get(key) or [], opened) for key in _WITH_SECRETS}


def _walked(value: Any, changed: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Any:
    if isinstance(value, Mapping):
        is_secret = value.get(SIGNATURE) == SECRET_MARK
        if is_secret and ("ciphertext" in value or "plaintext" in value):
            return changed(value)
        return {key: _walked(item, changed) for key, item in value.items()}
    return [_walked(item, changed) for item in value] if isinstance(value, list) else value
