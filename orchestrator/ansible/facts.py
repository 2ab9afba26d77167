"""Where are facts of hosts kept between attempts, and what must not stay there?"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from orchestrator.ansible.inventory import Host
from orchestrator.model.work import Work

KEPT_DAYS = 7  # of a set of hosts that is not used any more
SHORTEST_SECRET = 6  # characters; a shorter one would match by chance


def facts_folder(work: Work, hosts: Sequence[Host]) -> Path:
    """The cache of an environment's hosts as they are now: a host made anew has no old facts."""
    told = json.dumps(sorted((h.name, h.address, h.port, h.user, h.key) for h in hosts))
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    folder = work.cache / "facts" / work.run.pipeline / work.run.environment / digest
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _prune(folder)
    return folder


def forget_secrets(folder: Path, secrets: Iterable[str]) -> int:
    """How many hosts' facts were thrown away because a known secret stood in them.

    `set_fact` with `cacheable` puts whatever it is given into the cache, in clear.
    """
    known = [json.dumps(text)[1:-1] for text in secrets if len(text) >= SHORTEST_SECRET]
    count = 0
    for path in folder.iterdir() if known else ():
        if path.is_file() and any(text in path.read_text("utf-8", "replace") for text in known):
            path.unlink(missing_ok=True)
            count += 1
    return count


def _prune(used: Path) -> None:
    """Facts of hosts that were replaced long ago go; those in use are marked as used."""
    os.utime(used)
    for other in used.parent.iterdir():
        if time.time() - other.stat().st_mtime > KEPT_DAYS * 86400:
            shutil.rmtree(other, ignore_errors=True)
