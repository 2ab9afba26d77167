"""What do a stack's secret outputs hold? The events mask them.

Read from the state and decrypted here where it lies in the store, or is a file under the passphrase
provider: then the key is derived while the CLI works. Otherwise the CLI is asked once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from orchestrator.model.errors import ExecutorError
from orchestrator.pulumi.cli import ask_plainly
from orchestrator.pulumi.outputs import SECRET_MARK, SIGNATURE
from orchestrator.pulumi.passphrase import Cipher, open_cipher
from orchestrator.pulumi.place import StoreStack
from orchestrator.pulumi.prepare import Prepared
from orchestrator.pulumi.service.deployments import SERVICE
from orchestrator.pulumi.urns import ROOT


class SecretOutputs:
    """Begins to derive the key at once where the stage declares secret outputs."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._cipher: Future[Cipher] | None = None
        file = prepared.file
        declared = any(t.is_secret for t in prepared.operation.work.outputs.values())
        if declared and prepared.place is not None and file.salt and file.cipher is None:
            with_one = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passphrase")
            self._cipher = with_one.submit(open_cipher, file.passphrase, file.salt)
            with_one.shutdown(wait=False)

    def read(self, names: tuple[str, ...]) -> Mapping[str, Any]:
        """The values of these outputs. Raises ExecutorError where they cannot be had."""
        if not names:
            return {}
        raw = self._from_state()
        if raw is not None:
            return {name: raw[name] for name in names if name in raw}
        answer = ask_plainly(
            self._prepared.operation, ("stack", "output", "--json", "--show-secrets")
        )
        if answer.code != 0:
            raise ExecutorError(
                "The stack's secret outputs cannot be read: " + " ".join(answer.stderr[-3:]),
                holds="The update itself succeeded.",
            )
        shown = json.loads("\n".join(answer.stdout))
        return {name: shown[name] for name in names if name in shown}

    def _cipher_of(self, deployment: Mapping[str, Any]) -> Opens | None:
        """What opens the secrets of the state; None where only the CLI can."""
        place, file = self._prepared.place, self._prepared.file
        provider = deployment.get("secrets_providers") or {}
        if isinstance(place, StoreStack):
            return place.cipher if provider.get("type") == SERVICE else None
        if not file.salt or (provider.get("state") or {}).get("salt") != file.salt:
            return None
        if self._cipher:
            return self._cipher.result()
        return file.cipher or open_cipher(file.passphrase, file.salt)

    def _from_state(self) -> Mapping[str, Any] | None:
        place = self._prepared.place
        deployment = place.deployment() if place is not None else {}
        cipher = self._cipher_of(deployment)
        if cipher is None:
            return None
        for resource in deployment.get("resources") or ():
            if resource.get("type") == ROOT:
                return {k: opened(v, cipher) for k, v in (resource.get("outputs") or {}).items()}
        return {}


class Opens(Protocol):
    def decrypt(self, sealed: str, /) -> str: ...


def opened(value: Any, cipher: Opens) -> Any:
    """A value of the state with its encrypted parts opened."""
    if isinstance(value, Mapping):
        if value.get(SIGNATURE) == SECRET_MARK and "ciphertext" in value:
            return json.loads(cipher.decrypt(value["ciphertext"]))
        return {key: opened(item, cipher) for key, item in value.items()}
    if isinstance(value, list):
        return [opened(item, cipher) for item in value]
    return value
