"""How are commands on the hosts ended after a cancel?

With pipelining a module has no terminal there, so it does not notice that its ssh is gone. All
that an attempt runs on a host runs below one sshd, that of its master connection: asked through
the same connection, a shell is a sibling of what must end, and ends all below its own parent.
Not reached: what detached itself (`async`), what sudo runs for a user who is not root, and hosts
where the project switched the master connection off.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PATIENCE = 5.0  # seconds for all hosts together
_SCRIPT = b"""
pairs=$(ps -e -o pid= -o ppid= 2>/dev/null) ||
  pairs=$(awk '/^Pid:/ {pid = $2} /^PPid:/ {print pid, $2}' /proc/[0-9]*/status 2>/dev/null)
found=; level=$PPID
while [ -n "$level" ]; do
  next=
  set -- $pairs
  while [ $# -gt 1 ]; do
    case " $level " in *" $2 "*) [ "$1" = $$ ] || next="$next $1" ;; esac
    shift 2
  done
  found="$found $next"; level=$next
done
kill -TERM $found 2>/dev/null
i=0
while [ $i -lt 20 ]; do
  alive=
  for pid in $found; do kill -0 $pid 2>/dev/null && alive="$alive $pid"; done
  [ -n "$alive" ] || exit 0
  sleep 0.1
  i=$((i + 1))
done
kill -KILL $alive 2>/dev/null
"""


def end_remote_commands(sockets: Path) -> None:
    """Ends what runs below each ssh master whose socket lies in the folder; all at once.

    Dials nobody: where a master is gone, its host is left as it is.
    """
    asked = [_ask(socket) for socket in _masters(sockets)]
    deadline = time.monotonic() + PATIENCE
    for process in asked:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _masters(sockets: Path) -> Iterator[Path]:
    """Ansible names them by ten hexadecimal digits; other sockets here have other names."""
    for path in sorted(sockets.iterdir()):
        if path.is_socket() and path.name.isalnum() and len(path.name) == 10:
            yield path


def _ask(socket: Path) -> subprocess.Popen[bytes]:
    options = ("ControlMaster=no", f"ControlPath={socket}", "BatchMode=yes", "ProxyCommand=false")
    flags = [word for option in options for word in ("-o", option)]
    process = subprocess.Popen(
        ["ssh", "-F", "none", "-T", *flags, "--", "by-its-master", "exec sh -s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(_SCRIPT)
    return process
