"""Which key does a site or host have, before it exists?

Ed25519 keys derived from a secret of this machine and the thing's id, so that a preview can say
them and a repeated create makes the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .locks import locked


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """private: an OpenSSH private key file's text; public: `ssh-ed25519 AAAA…`."""

    private: str = field(repr=False)
    public: str


def machine_secret(state: Path) -> bytes:
    """32 bytes in `<state>/secret` (0600), made at first use."""
    path = state / "secret"
    if not path.exists():
        with locked(state / "secret.lock"):
            if not path.exists():
                _write_secret(path)
    return path.read_bytes()


def key_pair(secret: bytes, purpose: str, thing: str) -> KeyPair:
    """The key of a thing (its id) for a purpose (`client`, `host`); always the same."""
    seed = hmac.new(secret, f"{purpose}|{thing}".encode(), hashlib.sha256).digest()
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    blob = _string(b"ssh-ed25519") + _string(public)
    return KeyPair(
        private=_openssh(seed, public, blob),
        public=f"ssh-ed25519 {base64.b64encode(blob).decode()}",
    )


def _write_secret(path: Path) -> None:
    fresh = path.with_name(".secret.new")
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as out:
        out.write(os.urandom(32))
        out.flush()
        os.fsync(fd)
    fresh.rename(path)


def _openssh(seed: bytes, public: bytes, blob: bytes) -> str:
    """Written by hand since cryptography's writer puts random check bytes in, and a preview and
    the create after it must agree. Format: PROTOCOL.key of OpenSSH."""
    check = hashlib.sha256(seed).digest()[:4]
    inner = check + check + blob + _string(seed + public) + _string(b"lighthosts")
    inner += bytes(range(1, 1 + -len(inner) % 8))
    none = _string(b"none") + _string(b"none") + _string(b"")
    outer = b"openssh-key-v1\0" + none + struct.pack(">I", 1) + _string(blob) + _string(inner)
    text = base64.b64encode(outer).decode()
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    head, foot = (f"-----{word} OPENSSH PRIVATE KEY-----" for word in ("BEGIN", "END"))
    return "\n".join([head, *lines, foot, ""])


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value
