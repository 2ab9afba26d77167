"""What did the CLI send? Bodies are JSON, mostly gzip; nothing larger than a limit is unpacked."""

from __future__ import annotations

import binascii
import json
import zlib
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from orchestrator.model.errors import OrchestratorError

LARGEST = 256 * 1024 * 1024  # bytes, unpacked
_GZIP = 16 + zlib.MAX_WBITS


class BadBody(OrchestratorError):
    """A request that cannot be read."""


def unpacked(raw: bytes, encoding: str, *, largest: int = LARGEST) -> bytes:
    """The bytes of a body. Raises BadBody: cut off, no gzip, too large, unknown encoding."""
    if not encoding or encoding == "identity":
        return raw
    if encoding != "gzip":
        raise BadBody(f"The body's encoding is {encoding}; only gzip is understood.")
    inflate = zlib.decompressobj(_GZIP)
    try:
        content = inflate.decompress(raw, largest + 1)
    except zlib.error as error:
        raise BadBody(f"The body is no gzip ({error}).") from error
    if len(content) > largest:
        raise too_large(largest)
    if not inflate.eof:
        raise BadBody("The body's gzip is cut off.")
    return content


def too_large(largest: int) -> BadBody:
    return BadBody(f"The body is larger than {largest // 1024**2} MiB.")


def read_object(content: bytes) -> Mapping[str, Any]:
    """The JSON object of a body; {} for none. Raises BadBody."""
    if not content:
        return {}
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadBody(f"The body is no JSON ({error}).") from error
    if not isinstance(body, dict):
        raise BadBody("The body is no JSON object.")
    return body


def texts(body: Mapping[str, Any], key: str) -> dict[str, str]:
    """A map of texts, such as tags; {} for none. Raises BadBody."""
    found = body if not key else body.get(key) or {}
    if not isinstance(found, Mapping) or not all(isinstance(v, str) for v in found.values()):
        raise BadBody(f"{key or 'the body'} must be a map of texts.")
    return dict(found)


def from_base64(value: object) -> bytes:
    """Raises BadBody."""
    try:
        return b64decode(str(value or ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadBody("A value is no base64.") from error
