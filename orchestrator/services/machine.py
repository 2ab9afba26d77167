"""Which machine is this, among those that share a store?"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket

from orchestrator.attempts.folder import write_whole
from orchestrator.services.app import App

LOCAL = "local"


def machine_of(app: App) -> str:
    """This machine's own id, made once; of a store that only one machine uses, always the same."""
    if app.project.store == LOCAL:
        return LOCAL
    path = app.store.folder / "machine"
    if not path.exists():
        draft = path.with_name(f".machine.{os.getpid()}")
        write_whole(draft, f"{socket.gethostname()}-{secrets.token_hex(4)}")
        with contextlib.suppress(FileExistsError):  # another process of this machine was quicker
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="utf-8")
