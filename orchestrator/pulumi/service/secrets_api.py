"""How are a stack's secrets encrypted and decrypted for the CLI? Values travel in base64."""

from __future__ import annotations

from base64 import b64encode

from orchestrator.pulumi.service.answers import DONE, Reply
from orchestrator.pulumi.service.bodies import BadBody, from_base64
from orchestrator.pulumi.service.states import Call


def encrypt(call: Call) -> Reply:
    plain = from_base64(call.body.get("plaintext"))
    return Reply(200, {"ciphertext": _text(call.states.cipher(call.name).encrypt_bytes(plain))})


def decrypt(call: Call) -> Reply:
    sealed = from_base64(call.body.get("ciphertext"))
    return Reply(200, {"plaintext": _text(call.states.cipher(call.name).decrypt_bytes(sealed))})


def batch_encrypt(call: Call) -> Reply:
    cipher = call.states.cipher(call.name)
    plain = [from_base64(item) for item in _items(call, "plaintexts")]
    return Reply(200, {"ciphertexts": [_text(cipher.encrypt_bytes(item)) for item in plain]})


def batch_decrypt(call: Call) -> Reply:
    """By ciphertext, as the CLI looks them up."""
    cipher = call.states.cipher(call.name)
    sealed = {str(item): from_base64(item) for item in _items(call, "ciphertexts")}
    plain = {text: _text(cipher.decrypt_bytes(item)) for text, item in sealed.items()}
    return Reply(200, {"plaintexts": plain})


def noted(_: Call) -> Reply:
    return DONE


def _items(call: Call, key: str) -> list[object]:
    items = call.body.get(key) or []
    if not isinstance(items, list):
        raise BadBody(f"{key} must be a list.")
    return items


def _text(content: bytes) -> str:
    return b64encode(content).decode()
