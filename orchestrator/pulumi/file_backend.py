"""What lies in a `file://` backend? Looked at without a Pulumi process, which costs 0.15 to 0.4 s.

Layout (Pulumi 3.259): `.pulumi/meta.yaml`, `.pulumi/stacks/<project>/<stack>.json`,
`.pulumi/locks/organization/<project>/<stack>/<uuid>.json`.
"""

from __future__ import annotations

import gzip
import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

SUFFIXES = ("json", "json.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStack:
    """One stack of a file backend. root: the folder that holds `.pulumi`."""

    root: Path
    project: str
    stack: str

    @property
    def exists(self) -> bool:
        return self.checkpoint is not None

    @property
    def checkpoint(self) -> Path | None:
        """Its state file; None where the stack does not exist."""
        folder = self.root / ".pulumi" / "stacks" / self.project
        paths = (folder / f"{self.stack}.{suffix}" for suffix in SUFFIXES)
        return next((path for path in paths if path.is_file()), None)

    def deployment(self) -> Mapping[str, Any]:
        """The stack's state: resources, pending_operations, secrets_providers; {} for none."""
        path = self.checkpoint
        if path is None:
            return {}
        content = path.read_bytes()
        body = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
        latest = body.get("checkpoint", {}).get("latest")
        return latest if isinstance(latest, Mapping) else {}

    @property
    def path(self) -> Path:
        """Where its state file is, or would be."""
        return self.checkpoint or (
            self.root / ".pulumi" / "stacks" / self.project / f"{self.stack}.json"
        )

    def text_of(self, deployment: Mapping[str, Any]) -> str:
        """A state file with that state."""
        name = f"organization/{self.project}/{self.stack}"
        manifest = {"time": "0001-01-01T00:00:00Z", **(deployment.get("manifest") or {})}
        latest = {**deployment, "manifest": manifest}
        return json.dumps({"version": 3, "checkpoint": {"stack": name, "latest": latest}}, indent=4)

    def make(self) -> None:
        """The stack exists, as `pulumi stack init` makes it, with no state yet."""
        if self.checkpoint is not None:
            return
        folder = self.root / ".pulumi" / "stacks" / self.project
        folder.mkdir(parents=True, exist_ok=True)
        meta = self.root / ".pulumi" / "meta.yaml"
        if not meta.exists():  # without it the CLI takes the layout for the old one, and refuses
            _write(meta, "version: 1\n")
        body = {"version": 3, "checkpoint": {"stack": f"organization/{self.project}/{self.stack}"}}
        _write(folder / f"{self.stack}.json", json.dumps(body))

    def make_for_now(self) -> None:
        self.make()

    def unmake(self) -> None:
        """Takes away a stack that `make` made and nobody wrote to since."""
        if self.checkpoint is not None and not self.deployment():
            self.checkpoint.unlink()

    def remove_dead_locks(self) -> tuple[str, ...]:
        """Removes locks of processes of this machine that are gone; who held them.

        Safe only under our own lease. Locks of another machine or of a living process stay, and the
        CLI refuses to start, naming them.
        """
        folder = self.root / ".pulumi" / "locks" / "organization" / self.project / self.stack
        gone = tuple(
            holder
            for path in sorted(folder.glob("*.json"))
            if (holder := _dead_holder(path)) and _removed(path)
        )
        if gone:  # nobody is writing the state: what was half written can go
            self._remove_torn()
        return gone

    def check_free(self) -> None:
        """Left to the CLI, which looks at its lock files itself."""

    def _remove_torn(self) -> None:
        """Unfinished state files, and empty sidecars: with those the CLI reads no state at all."""
        folder = self.root / ".pulumi" / "stacks" / self.project
        torn = [
            path for path in folder.glob(f"{self.stack}.json*.attrs") if not path.stat().st_size
        ]
        for path in (*torn, *folder.glob(f"{self.stack}.json*.tmp")):
            path.unlink(missing_ok=True)


_DEAD = ("Z", "X", "x")  # states of a process that runs no more, see proc_pid_stat(5)


def file_stack(backend: str, project: str, stack: str) -> FileStack | None:
    """The stack's place where the backend is a folder; None for any other backend."""
    parts = urlsplit(backend)
    if parts.scheme != "file":
        return None
    path = Path(unquote(parts.netloc + parts.path)).expanduser()
    return FileStack(root=path, project=project, stack=stack)


def _dead_holder(path: Path) -> str:
    try:
        lock = json.loads(path.read_text())
        pid, host = int(lock["pid"]), str(lock["hostname"])
    except (OSError, ValueError, KeyError):
        return ""  # somebody is just writing or removing it
    if host != socket.gethostname() or _runs_pulumi(pid):
        return ""
    return f"{lock.get('username', '?')}@{host} (pid {pid}) since {lock.get('timestamp', '?')}"


def _runs_pulumi(pid: int) -> bool:
    """Whether that process lives and may be a Pulumi: a pid may have gone to a stranger since.

    A zombie is dead, though it keeps its name until somebody reaps it.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:
        return True
    name, _, rest = stat.rpartition(")")
    return "pulumi" in name and rest.split()[0] not in _DEAD


def _removed(path: Path) -> bool:
    with suppress(FileNotFoundError):
        path.unlink()
        Path(f"{path}.attrs").unlink(missing_ok=True)
        return True
    return False


def _write(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".new")
    with open(beside, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
