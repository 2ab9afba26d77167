"""What lies on a host's disk before its first boot?

Its identity goes straight into the upper layer of its overlay, over the shared base image.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from .keys import KeyPair
from .records import HostRecord

MIRROR_PORT = 8099


def lay_out(
    folder: Path, record: HostRecord, *, gateway: str, host_key: KeyPair, client_key: str
) -> None:
    """The host's folder holds its layers: up (with its identity), work and root (empty)."""
    for part in ("work", "root"):
        (folder / part).mkdir()
    names = (
        f"127.0.0.1 localhost\n127.0.1.1 {record.hostname}\n{record.address} {record.hostname}\n"
    )
    files = {
        "etc/hostname": (f"{record.hostname}\n", 0o644),
        "etc/hosts": (names, 0o644),
        "etc/resolv.conf": ("", 0o644),
        "etc/apt/sources.list": (f"deb [trusted=yes] http://{gateway}:{MIRROR_PORT} ./\n", 0o644),
        "etc/ssh/ssh_host_ed25519_key": (host_key.private, 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": (f"{host_key.public}\n", 0o644),
        "root/.ssh/authorized_keys": (f"{client_key}\n", 0o600),
    }
    for name, (text, mode) in files.items():
        path = folder / "up" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    for name, mode in {"": 0o755, "etc": 0o755, "etc/ssh": 0o755, "etc/apt": 0o755}.items():
        (folder / "up" / name).chmod(mode)
    for name in ("root", "root/.ssh"):
        (folder / "up" / name).chmod(0o700)


def creations(folder: Path) -> list[str]:
    """When this host was really made, one line each, oldest first; empty if never."""
    log = folder / "created.log"
    return log.read_text().splitlines() if log.exists() else []


def note_creation(folder: Path, before: list[str]) -> None:
    """One more creation is on record, after those before it."""
    lines = [*before, datetime.now(UTC).isoformat()]
    (folder / "created.log").write_text("".join(f"{line}\n" for line in lines))
