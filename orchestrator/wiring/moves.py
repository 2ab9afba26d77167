"""What does a move of stacks need? The CLI, a private folder, and the keys of both sides."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.files.plain_yaml import plain_yaml
from orchestrator.model.errors import UsageError
from orchestrator.model.stacks import Deployment
from orchestrator.ports import Vault
from orchestrator.pulumi.environment import PASSPHRASE, PASSPHRASE_FILE
from orchestrator.pulumi.foreign import ForeignBackend
from orchestrator.pulumi.project import read_program
from orchestrator.pulumi.resealing import in_clear, resealed
from orchestrator.pulumi.service.cipher import StackCipher
from orchestrator.pulumi.service.deployments import SERVICE, taken_in
from orchestrator.services.app import App
from orchestrator.services.backends import IN_STORE


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """services.moves.Keys over the vault."""

    vault: Vault

    def fresh(self) -> str:
        return StackCipher.fresh().sealed(self.vault)

    def taken_in(self, body: Mapping[str, Any], sealed: str) -> Deployment:
        """The state with its secrets, which are in clear, under the stack's key.

        Raises BrokenDeployment.
        """
        cipher = StackCipher.opened(sealed, self.vault)
        provider = {"type": SERVICE}
        moved = resealed(body["deployment"], cipher.decrypt, cipher.encrypt, provider)
        return taken_in({**body, "deployment": moved})

    def in_clear(self, body: Mapping[str, Any], sealed: str) -> Mapping[str, Any]:
        return in_clear(body["deployment"], StackCipher.opened(sealed, self.vault).decrypt)

    def decrypt(self, sealed: str) -> Callable[[str], str]:
        return StackCipher.opened(sealed, self.vault).decrypt


@contextmanager
def foreign_backend(
    app: App, url: str, passphrase_file: Path | None, *, make: bool
) -> Iterator[ForeignBackend]:
    """make: a folder is made where it is missing."""
    if make and url.startswith("file:///"):
        try:
            Path(url.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{url} cannot be made: {error.strerror}.") from error
    with tempfile.TemporaryDirectory(prefix="moving-", dir=app.folder("cache")) as folder:
        yield ForeignBackend(
            url=url,
            cli=app.tools()["pulumi"],
            folder=Path(folder),
            outer=app.variables,
            passphrase=passphrase_of(app, passphrase_file),
        )


def passphrase_of(app: App, file: Path | None) -> str:
    """The person's own, by option or variable; else the one that stacks of ours have elsewhere."""
    named = file or app.variables.get(PASSPHRASE_FILE)
    if named:
        try:
            return Path(named).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UsageError(f"{named} cannot be read: {error.strerror}.") from error
    return app.variables.get(PASSPHRASE) or app.vault.derive("pulumi passphrase")


def project_name(app: App) -> Callable[[str], str]:
    """The Pulumi project's name of a stack's folder."""
    return lambda folder: read_program(app.root, folder, plain_yaml).name


def url_of(app: App, text: str) -> str:
    """A folder's path is a URL too; `store` is the folder in which older stores kept stacks."""
    if text == IN_STORE:
        return f"file://{app.folder('stacks', 'state')}"
    return text if "://" in text else f"file://{os.path.abspath(text)}"
