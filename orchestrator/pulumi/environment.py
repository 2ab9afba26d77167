"""Which variables do the CLI and a program see? Those listed here, and nothing else of ours."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from orchestrator.procs import MARK

PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"
_BASE = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_FOR_PROVIDERS = ("LIGHTHOSTS_", "XDG_")  # beginnings: where a provider keeps its things
_QUIET = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    "PULUMI_DIY_BACKEND_NO_LEGACY_WARNING": "1",
    "PULUMI_DISABLE_CI_DETECTION": "true",
    "PULUMI_CREDENTIAL_STORE": "plaintext",  # no probing for a keychain
    "PULUMI_SUPPRESS_NEO_LINK": "true",
    "PULUMI_JOURNALING_BATCH_PERIOD": "3",  # ms that a step waits for others; 50, for a far service
    "PULUMI_DEBUG_COMMANDS": "true",  # --client and --event-log are hidden behind it
}


def base_env(outer: Mapping[str, str]) -> dict[str, str]:
    """What every process needs to run at all."""
    env = {name: outer[name] for name in _BASE if name in outer}
    env.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    env.setdefault("LANG", "C.UTF-8")
    return env


def cli_env(
    outer: Mapping[str, str],
    *,
    credentials: Mapping[str, str],
    backend: str,
    passphrase: str,
    interpreter: Path,
    acquire_plugins: bool,
    access: Mapping[str, str],
) -> dict[str, str]:
    """The CLI's environment, which the providers it starts inherit.

    access: what lets it reach a service of ours, in the place of the backend; else empty.
    """
    kept = {name: outer[name] for name in outer if name.startswith(_FOR_PROVIDERS)}
    env = {**base_env(outer), **kept, **_QUIET, **credentials}
    env.pop(PASSPHRASE_FILE, None)
    home = outer.get("PULUMI_HOME")
    if home:
        env["PULUMI_HOME"] = home
    if not acquire_plugins:
        env["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    env["PULUMI_BACKEND_URL"] = without_sidecars(backend)
    env[PASSPHRASE] = passphrase
    env.update(access)
    env["PULUMI_PYTHON_CMD"] = str(interpreter)  # for Python dynamic providers
    env["ORCHESTRATOR_PYTHON"] = sys.executable
    return env


def without_sidecars(backend: str) -> str:
    """A folder's URL such that no `.attrs` file is written beside each state file.

    They are not written atomically: killed at that moment, Pulumi leaves an empty one, and then
    says "failed to load checkpoint: EOF" for ever (3.259.0, seen; `FileStack` mends such ones).
    """
    if not backend.startswith("file://") or "metadata=" in backend:
        return backend
    return f"{backend}{'&' if '?' in backend else '?'}metadata=skip"


def program_env(
    outer: Mapping[str, str], *, credentials: Mapping[str, str], interpreter: Path, mark: str
) -> dict[str, str]:
    """A program's environment: no passphrase, no backend, no key of ours."""
    env = {**base_env(outer), **credentials, MARK: mark}
    for name in (PASSPHRASE, PASSPHRASE_FILE):
        env.pop(name, None)
    if (interpreter.parent.parent / "pyvenv.cfg").is_file():
        env["VIRTUAL_ENV"] = str(interpreter.parent.parent)
        env["PATH"] = f"{interpreter.parent}:{env['PATH']}"
    env["PYTHONDONTWRITEBYTECODE"] = "1"  # the release's tree stays as it is
    return env
