"""How does Pulumi's passphrase provider encrypt, so that no secret need stand on a command line?

AES-256-GCM under a key of PBKDF2-SHA256 with 1,000,000 rounds over an 8-byte salt. The stack file
keeps `encryptionsalt: v1:<salt>:v1:<nonce>:<"pulumi", encrypted>`, values `v1:<nonce>:<text>`, all
base64. Source: secrets/passphrase/manager.go and sdk config/crypt.go of Pulumi 3.259.0.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from orchestrator.model.errors import SecretError

ROUNDS = 1_000_000
KEY_BYTES = 32
SALT_BYTES = 8
NONCE_BYTES = 12
_PROOF = "pulumi"  # what the stack file encrypts to recognise its passphrase


@dataclass(frozen=True, slots=True, kw_only=True)
class Cipher:
    """Encrypts and decrypts for one stack. salt: its line in the stack file."""

    salt: str
    key: bytes = field(repr=False)

    def encrypt(self, text: str) -> str:
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self.key).encrypt(nonce, text.encode(), None)
        return f"v1:{_text(nonce)}:{_text(sealed)}"

    def decrypt(self, sealed: str) -> str:
        """Raises SecretError where the text is not of this cipher."""
        try:
            version, nonce, body = sealed.split(":")
            if version != "v1":
                raise ValueError(version)
            return AESGCM(self.key).decrypt(b64decode(nonce), b64decode(body), None).decode()
        except (ValueError, InvalidTag) as error:
            raise SecretError("A secret of the stack does not open with its passphrase.") from error


def new_cipher(passphrase: str) -> Cipher:
    """A cipher under a fresh salt; takes 0.2 to 1 s."""
    salt = os.urandom(SALT_BYTES)
    key = _key(passphrase, salt)
    proof = Cipher(salt="", key=key).encrypt(_PROOF)
    return Cipher(salt=f"v1:{_text(salt)}:{proof}", key=key)


def open_cipher(passphrase: str, salt: str) -> Cipher:
    """The cipher of a stack file's `encryptionsalt`; takes 0.2 to 1 s.

    Raises SecretError where the passphrase is not the one of this salt.
    """
    version, _, rest = salt.partition(":")
    encoded, _, proof = rest.partition(":")
    if version != "v1" or not proof:
        raise SecretError(f"The stack file's encryptionsalt is of an unknown form: {version}.")
    cipher = Cipher(salt=salt, key=_key(passphrase, b64decode(encoded)))
    if cipher.decrypt(proof) != _PROOF:
        raise SecretError("The passphrase is not the one of this stack.")
    return cipher


def _key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, KEY_BYTES)


def _text(content: bytes) -> str:
    return b64encode(content).decode()
