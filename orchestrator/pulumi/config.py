"""What does a stack's settings file hold, once the stage's `config` lies over the project's own?

Pure: encryption and reading are handed in. The file is written as JSON, which is YAML as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.model.values import Json, Secret, Value, revealed

Encrypt = Callable[[str], str]


def settings(
    base: Mapping[str, Any],
    overlay: Mapping[str, Value],
    *,
    project: str,
    salt: str,
    encrypt: Encrypt,
) -> dict[str, Any]:
    """The whole settings file. salt: empty where another secrets provider is named in `base`."""
    body = {key: value for key, value in base.items() if key != "config"}
    if salt:
        for key in ("secretsprovider", "encryptedkey"):
            body.pop(key, None)
        body["encryptionsalt"] = salt
    config = dict(base.get("config") or {})
    for key, value in overlay.items():
        if value is not None:
            config[full_key(key, project)] = config_value(value, encrypt)
    body["config"] = config
    return body


def full_key(key: str, project: str) -> str:
    """Keys without a namespace are the project's."""
    return key if ":" in key else f"{project}:{key}"


def config_value(value: Value, encrypt: Encrypt) -> Json:
    """A value as the file wants it: scalars as text, lists and maps as they are, secrets sealed.

    A secret list or map is sealed as JSON text, which `require_secret_object` reads.
    """
    if isinstance(value, Secret):
        return {"secure": encrypt(text_of(revealed(value.value)))}
    if isinstance(value, Mapping | list):
        return _inside(value, encrypt)
    return text_of(value)


def text_of(value: Json) -> str:
    """Pulumi's config knows only text: `true`, `3`, and JSON for lists and maps."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def has_secure(base: Mapping[str, Any]) -> bool:
    """Whether the project's own file holds encrypted values."""
    return any(_secures(base.get("config")))


def has_secret(values: Mapping[str, Value]) -> bool:
    return any(isinstance(item, Secret) or _nested_secret(item) for item in values.values())


def resealed(base: Any, decrypt: Encrypt, encrypt: Encrypt) -> Any:
    """The same settings with every encrypted value under another key."""
    if isinstance(base, Mapping):
        if set(base) == {"secure"}:
            return {"secure": encrypt(decrypt(str(base["secure"])))}
        return {key: resealed(item, decrypt, encrypt) for key, item in base.items()}
    if isinstance(base, list):
        return [resealed(item, decrypt, encrypt) for item in base]
    return base


def _inside(value: Value, encrypt: Encrypt) -> Json:
    """Within a structure every secret leaf is sealed on its own; Pulumi knows no other form."""
    if isinstance(value, Secret):
        inner = value.value
        if isinstance(inner, Mapping):
            return {key: _inside(Secret(item), encrypt) for key, item in inner.items()}
        if isinstance(inner, list):
            return [_inside(Secret(item), encrypt) for item in inner]
        return {"secure": encrypt(text_of(revealed(inner)))}
    if isinstance(value, Mapping):
        return {key: _inside(item, encrypt) for key, item in value.items()}
    if isinstance(value, list):
        return [_inside(item, encrypt) for item in value]
    return value


def _nested_secret(value: Value) -> bool:
    if isinstance(value, Secret):
        return True
    if isinstance(value, Mapping):
        return any(_nested_secret(item) for item in value.values())
    return isinstance(value, list) and any(_nested_secret(item) for item in value)


def _secures(value: Any) -> Iterator[bool]:
    if isinstance(value, Mapping):
        if set(value) == {"secure"}:
            yield True
        for item in value.values():
            yield from _secures(item)
    elif isinstance(value, list):
        for item in value:
            yield from _secures(item)
