"""How are a stack's secrets encrypted? AES-256-GCM under a key of its own, sealed by the vault.

A ciphertext is one byte for its form, a nonce of 12 bytes, and the sealed text; in a state and in
a settings file it stands in base64. Rotation of the vault's keys seals the stack's key anew and
leaves every ciphertext as it is.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from orchestrator.model.errors import SecretError
from orchestrator.ports import Vault

_FORM = b"\x01"
_NONCE = 12
_KEY = 32
_CONTEXT = b"orchestrator stack secret v1"


@dataclass(frozen=True, slots=True)
class StackCipher:
    """Encrypts and decrypts for one stack."""

    key: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> StackCipher:
        return cls(os.urandom(_KEY))

    @classmethod
    def opened(cls, sealed: str, vault: Vault) -> StackCipher:
        """Raises SecretError where the store's keys do not open it."""
        return cls(bytes.fromhex(str(vault.open(sealed))))

    def sealed(self, vault: Vault) -> str:
        return vault.seal(self.key.hex())

    def encrypt_bytes(self, plain: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return _FORM + nonce + AESGCM(self.key).encrypt(nonce, plain, _CONTEXT)

    def decrypt_bytes(self, sealed: bytes) -> bytes:
        """Raises SecretError where the text is not of this cipher."""
        try:
            if sealed[:1] != _FORM:
                raise InvalidTag
            nonce, body = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
            return AESGCM(self.key).decrypt(nonce, body, _CONTEXT)
        except (InvalidTag, ValueError) as error:
            raise SecretError(
                "A secret of the stack does not open with the store's key."
            ) from error

    def encrypt(self, text: str) -> str:
        return b64encode(self.encrypt_bytes(text.encode())).decode()

    def decrypt(self, sealed: str) -> str:
        try:
            raw = b64decode(sealed, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        return self.decrypt_bytes(raw).decode()
