"""Can this machine hold light hosts at all, and is it prepared?"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from .errors import MachineCannot
from .processes import PATH

_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_WANTED = 8192  # with the usual 128, the 27th systemd fails
_PROGRAMS = ("unshare", "nsenter", "setsid", "ip", "mount", "chroot")


def prepare_machine() -> None:
    """The machine can hold light hosts. Raises MachineCannot with all that is missing."""
    require_machine()
    if int(_INOTIFY.read_text()) < _INOTIFY_WANTED:
        _INOTIFY.write_text(str(_INOTIFY_WANTED))


def require_machine() -> None:
    """Raises MachineCannot with all that is missing; changes nothing."""
    lacking = machine_lacks()
    if lacking:
        raise MachineCannot(
            "light hosts cannot run here", why=", ".join(lacking), then="see `orchestrator doctor`"
        )


@cache
def machine_lacks() -> tuple[str, ...]:
    """What is missing for light hosts, in words; empty if nothing is. Looked up once."""
    if os.geteuid() != 0:
        return ("they need root for now",)
    missing = [program for program in _PROGRAMS if not shutil.which(program, path=PATH)]
    if missing:
        return (f"missing programs: {', '.join(missing)} (packages util-linux, iproute2)",)
    lacking = [feature for feature, probe in _PROBES.items() if not _runs(probe)]
    return tuple(f"the kernel lacks {feature}" for feature in lacking)


_PROBES = {
    "namespaces (or this container may not make them)": "exec unshare --net --mount --pid --uts"
    " --ipc --cgroup --fork true",
    "overlay, veth or bridge": "exec unshare --net --mount sh -c '"
    "ip link add p0 type veth peer name p1 && ip link add b0 type bridge && mount -t tmpfs t /tmp"
    " && cd /tmp && mkdir l u w m && mount -t overlay o -o lowerdir=l,upperdir=u,workdir=w m'",
}


def _runs(probe: str) -> bool:
    return (
        subprocess.run(
            ["sh", "-c", probe],
            env={"PATH": PATH},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
        == 0
    )
