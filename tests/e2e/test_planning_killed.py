"""What is left where somebody is stopped while `up` still plans?"""

import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import CLI, MARK, PATIENCE, Tiny, stage, until

pytestmark = pytest.mark.slow

PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - shell: "echo x >> {world}/begun; while [ ! -e {world}/go ]; do sleep 0.1; done"
      check_mode: false
"""


def _stopped_while_planning(tiny: Tiny, number: signal.Signals) -> None:
    terminal, theirs = pty.openpty()
    environment = tiny.variables()
    try:
        with subprocess.Popen(
            [*CLI, "up", "dev"],
            cwd=tiny.root,
            env=environment,
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as planning:
            tiny.until_begun("begun")
            second = tiny.ask("up", "dev", "--yes")
            assert second.code == 12
            assert "is being planned by" in second.err
            planning.send_signal(number)
            planning.wait(PATIENCE)
    finally:
        os.close(terminal)
        os.close(theirs)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_plan_holds_up_nobody(make: Make, world: Path, number: signal.Signals) -> None:
    """The next `up` goes on at once, and nothing of the plan runs beside it."""
    tiny = make(stage("play", {"ansible": {"playbook": "play.yml"}}))
    tiny.write("play.yml", PLAYBOOK.format(world=world))
    tiny.write(
        "inventories/dev/hosts.yaml",
        "all: { hosts: { localhost: { ansible_connection: local } } }\n",
    )
    _stopped_while_planning(tiny, number)
    if number is signal.SIGINT:
        until(lambda: not tiny.marked(), "who is asked politely cleans up")
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("begun", 2)
    assert len({mark for pid in tiny.marked() for mark in _marks(pid)}) == 1
    (world / "go").touch()
    assert up.answer().code == 0
    assert tiny.marked() == []
    assert tiny.rows("select count(*) from leases where held") == [(0,)]


def _marks(pid: int) -> list[bytes]:
    """The attempt a process belongs to; of none where it is gone by now."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
    return [entry for entry in entries if entry.startswith(MARK)]
