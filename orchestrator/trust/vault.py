"""How do secret values rest in the store, and who can open them again?

The key file lies in the store's folder, not in the database: a copy of the database alone opens
nothing. Sealing keys have ids so that they can be rotated; the root, from which hashes and derived
secrets come, stays the same for the life of a store, else every stack's passphrase would change.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from orchestrator.model.errors import SecretError
from orchestrator.model.values import Json

_FORM = "v1"
_CONTEXT = b"orchestrator sealed value v1"
_NONCE = 12  # bytes, NIST SP 800-38D: random nonces of 96 bits
_KEY = 32
_SEALED = re.compile(r"v1:([0-9a-f]{8}):[A-Za-z0-9+/=]{20,}")
_EXACT = 2**53 - 1  # RFC 8785 numbers are doubles; integers beyond this have no canonical form


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys of one store. Their text form shows ids only."""

    current: str  # id of the key that seals
    sealing: Mapping[str, bytes] = field(repr=False)  # id -> 32 bytes
    root: bytes = field(repr=False)
    path: Path

    @classmethod
    def create(cls, path: Path) -> Keys:
        """New keys in a new file, 0600. Raises SecretError where a file is there already."""
        current = secrets.token_hex(4)
        keys = cls(
            current=current,
            sealing={current: secrets.token_bytes(_KEY)},
            root=secrets.token_bytes(_KEY),
            path=path,
        )
        _write_new(path, _text_of(keys))
        return keys

    @classmethod
    def load(cls, path: Path) -> Keys:
        """The keys in a file. Raises SecretError: missing, readable by others, not keys."""
        return _keys_of(_read_private(path), path)

    def rotated(self) -> Keys:
        """With a new key that seals from now on; the file holds both before this returns."""
        current = secrets.token_hex(4)
        sealing = {**self.sealing, current: secrets.token_bytes(_KEY)}
        return self._written(replace(self, current=current, sealing=sealing))

    def without_old(self) -> Keys:
        """With the current key only, in the file as well: what others sealed stays shut."""
        current = {self.current: self.sealing[self.current]}
        return self._written(replace(self, sealing=current))

    def _written(self, keys: Keys) -> Keys:
        new = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        _write_new(new, _text_of(keys))
        new.rename(self.path)
        _sync(self.path.parent)
        return keys


class StoreVault:
    """A ports.Vault over the keys of a store."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._hash_key = self._subkey("hash")

    def seal(self, value: Json) -> str:
        """`v1:<key id>:<base64 of nonce and ciphertext>`; never the same text twice."""
        nonce = secrets.token_bytes(_NONCE)
        plain = json.dumps(value, separators=(",", ":")).encode()
        sealed = AESGCM(self._keys.sealing[self._keys.current]).encrypt(nonce, plain, _CONTEXT)
        return f"{_FORM}:{self._keys.current}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, text: str) -> Json:
        """The value that was sealed. Raises SecretError: not sealed, key not here, or changed."""
        key_id, raw = _parts_of(text)
        key = self._keys.sealing.get(key_id)
        if key is None:
            raise SecretError(
                f"a value was sealed with key {key_id}, which {self._keys.path} does not hold"
                f" (it holds {', '.join(self._keys.sealing)})",
                next="Put the key file that belongs to this store back in its place.",
            )
        try:
            plain = AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], _CONTEXT)
        except InvalidTag as error:
            raise SecretError(
                f"a value sealed with key {key_id} does not open: it was changed, or"
                f" {self._keys.path} holds another key under this id",
                next="Restore the database or the key file from the same backup.",
            ) from error
        value: Json = json.loads(plain)
        return value

    def resealed(self, text: str) -> str:
        """The text with every sealed value in it under the current key. Raises SecretError."""

        def anew(found: re.Match[str]) -> str:
            key_id = found.group(1)
            known = key_id in self._keys.sealing and key_id != self._keys.current
            return self.seal(self.open(found.group())) if known else found.group()

        return _SEALED.sub(anew, text)

    def keyed_hash(self, value: Json) -> str:
        """HMAC-SHA256 over RFC 8785 JSON, in hex: equality without showing the value.

        Equal numbers hash equally (1 and 1.0 too). Raises ValueError on NaN and infinities.
        """
        text = rfc8785.dumps(_canonical(value))
        return hmac.new(self._hash_key, text, hashlib.sha256).hexdigest()

    def derive(self, purpose: str) -> str:
        """64 hex digits of the store's own for a purpose, the same at every call (HKDF)."""
        return self._subkey(f"derive {purpose}").hex()

    def _subkey(self, purpose: str) -> bytes:
        info = f"orchestrator v1 {purpose}".encode()
        return HKDF(algorithm=SHA256(), length=_KEY, salt=None, info=info).derive(self._keys.root)


def _parts_of(text: str) -> tuple[str, bytes]:
    form, _, rest = text.partition(":")
    key_id, _, body = rest.partition(":")
    try:
        raw = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if form != _FORM or not key_id or len(raw) <= _NONCE:
        raise SecretError(
            f"a stored value is no sealed value of form {_FORM}",
            next="A newer orchestrator may have written it; or the database was changed by hand.",
        )
    return key_id, raw


def _canonical(value: Any) -> Any:
    """The value without what RFC 8785 has no form for."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return {"$integer": str(value)}
    if isinstance(value, Mapping):
        return {_encodable(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return _encodable(value) if isinstance(value, str) else value


def _encodable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()  # JSON may hold lone surrogates


def _text_of(keys: Keys) -> bytes:
    sealing = {key_id: base64.b64encode(key).decode() for key_id, key in keys.sealing.items()}
    body = {
        "format": 1,
        "current": keys.current,
        "sealing": sealing,
        "root": base64.b64encode(keys.root).decode(),
    }
    return json.dumps(body, indent=2).encode() + b"\n"


def _keys_of(text: bytes, path: Path) -> Keys:
    try:
        body = json.loads(text)
        sealing = {i: base64.b64decode(k, validate=True) for i, k in body["sealing"].items()}
        keys = Keys(
            current=body["current"],
            sealing=sealing,
            root=base64.b64decode(body["root"], validate=True),
            path=path,
        )
        sound = body["format"] == 1 and keys.current in sealing
        sound = sound and all(len(key) == _KEY for key in (*sealing.values(), keys.root))
    except (ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:  # no `from`: the text of a JSON error may quote the key
        raise SecretError(
            f"{path} is not a key file of ours",
            next="Put back the key file of this store from its backup.",
        )
    return keys


def _write_new(path: Path, text: bytes) -> None:
    """The file whole or not at all, on disk before this returns, and never over an older one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.link(temporary, path)  # unlike a rename, this refuses to replace
    except FileExistsError:
        raise SecretError(
            f"{path} exists already; new keys would make all that is sealed unreadable"
        ) from None
    finally:
        temporary.unlink()
    _sync(path.parent)


def _sync(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & 0o077:
                raise SecretError(
                    f"{path} may be read by others (mode {stat.S_IMODE(mode):04o})",
                    next=f"Run: chmod 600 {path}",
                )
            return file.read()
    except FileNotFoundError as error:
        raise SecretError(
            f"the key file {path} is missing, so nothing that is sealed can be opened",
            next="Put it back from its backup; `store join` brings it to another machine.",
        ) from error
    except OSError as error:
        raise SecretError(f"the key file {path} cannot be read: {error.strerror}") from error
