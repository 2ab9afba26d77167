"""How is a state taken out of a Pulumi backend, or put there? By the CLI, one process each.

Secrets travel over pipes and in a file of a private folder, never on a command line. Everything of
the person's own environment is the CLI's too: it logs in as they do.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.model.errors import ToolError
from orchestrator.model.stacks import StackName
from orchestrator.pulumi.environment import PASSPHRASE, PASSPHRASE_FILE, without_sidecars
from orchestrator.pulumi.failures import told_plainly
from orchestrator.pulumi.passphrase import new_cipher
from orchestrator.pulumi.resealing import resealed

NO_SUCH_STACK = 6  # exit code of Pulumi
LIMIT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignBackend:
    """A backend by its URL. folder: private, gone afterwards. passphrase: of its stacks."""

    url: str
    cli: Path
    folder: Path
    outer: Mapping[str, str] = field(repr=False)
    passphrase: str = field(repr=False)

    def fetched(self, name: StackName) -> Mapping[str, Any] | None:
        """{version, deployment} with secrets in clear; None where there is no such stack.

        Raises ToolError where the backend does not answer, or its secrets do not open.
        """
        words = ("stack", "export", "--show-secrets", "--stack", self._full(name))
        done = self._run(name, words)
        if done.returncode == 0:
            body: Mapping[str, Any] = json.loads(done.stdout)
            return body
        if done.returncode == NO_SUCH_STACK:  # no other word will do: a key may be "not found" too
            return None
        raise self._refused(f"the stack {name} cannot be read from", done.stderr)

    def sent(self, name: StackName, body: Mapping[str, Any], decrypt: Any, *, exists: bool) -> None:
        """The state is there, its secrets under the backend's passphrase. Raises ToolError."""
        if not exists:
            done = self._run(name, ("stack", "init", "--no-select", "--stack", self._full(name)))
            if done.returncode != 0:
                raise self._refused(f"the stack {name} cannot be made in", done.stderr)
        cipher = new_cipher(self.passphrase)
        provider = {"type": "passphrase", "state": {"salt": cipher.salt}}
        moved = resealed(body["deployment"], decrypt, cipher.encrypt, provider)
        path = self.folder / "state.json"
        path.touch(mode=0o600)
        try:
            path.write_text(json.dumps({**body, "deployment": moved}))
            words = ("stack", "import", "--stack", self._full(name), "--file", str(path))
            done = self._run(name, words)
        finally:
            path.unlink()
        if done.returncode != 0:
            raise self._refused(f"the state of {name} cannot be written to", done.stderr)

    def _run(self, name: StackName, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        (self.folder / "Pulumi.yaml").write_text(f"name: {name.project}\nruntime: yaml\n")
        env = {key: value for key, value in self.outer.items() if key != PASSPHRASE_FILE}
        env |= {
            "PULUMI_BACKEND_URL": without_sidecars(self.url),
            PASSPHRASE: self.passphrase,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DIY_BACKEND_NO_LEGACY_WARNING": "1",
        }
        try:
            return subprocess.run(
                [str(self.cli), *words, "--non-interactive", "--color", "never"],
                cwd=self.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ToolError(
                f"{self.url} did not answer within {LIMIT_S:.0f} s.", holds="Nothing was changed."
            ) from error

    def _full(self, name: StackName) -> str:
        """Backends without a service call every organization `organization`."""
        if self.url.startswith(("http://", "https://")):
            return f"{name.project}/{name.name}"
        return f"organization/{name.project}/{name.name}"

    def _refused(self, what: str, stderr: str) -> ToolError:
        lines = [line for line in stderr.splitlines() if line.strip()]
        text = told_plainly("\n".join(lines)[-2000:])
        return ToolError(
            f"{what} {self.url}: {text or 'Pulumi said nothing'}", holds="Nothing was changed."
        )
