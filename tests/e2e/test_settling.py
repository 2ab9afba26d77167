"""Is what is settled, or narrowed, so in fact? Lost playbooks and retries of some hosts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash import arming
from tests.e2e.conftest import Make
from tests.e2e.projects import PATIENCE, Tiny, stage

pytestmark = pytest.mark.slow
HOSTS = "all: {hosts: {h1: {}, h2: {}, h3: {}}, vars: {ansible_connection: local}}\n"
PLAY = """\
- hosts: all
  gather_facts: false
  serial: "{serial}"
  tasks:
    - name: first
      ansible.builtin.shell: echo {{{{ inventory_hostname }}}} >> {world}/first
    - name: work
      ansible.builtin.shell: "{script}"
"""


def playbook(tiny: Tiny, world: Path, script: str, *, serial: str = "100%") -> None:
    tiny.write("play.yml", PLAY.format(world=world, script=script, serial=serial))
    tiny.write("inventories/dev/hosts.yaml", HOSTS)
    tiny.pipeline(stage("play", {"ansible": {"playbook": "play.yml"}}))


def fails_on_h2(world: Path) -> str:
    """Until the file `mended` is there."""
    return f"test -e {world}/mended || test {{{{ inventory_hostname }}}} != h2"


def ran(world: Path) -> list[str]:
    return sorted((world / "first").read_text().split())


def armed(tiny: Tiny, point: str, *words: str) -> subprocess.Popen[bytes]:
    """The command, in the background; one of its processes dies at the point of the crash suite."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.armed", *words],
        cwd=tiny.root,
        env=tiny.variables() | {arming.AT: point, arming.HIT: str(tiny.world / "died")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_failed_hosts_are_recorded_and_shown(make: Make, world: Path) -> None:
    """One after the other: h1 is done, h2 failed, h3 was not reached; the last two run again."""
    tiny = make()
    playbook(tiny, world, fails_on_h2(world), serial="1")
    assert tiny.ask("up", "dev", "--yes").code == 4
    (world / "mended").touch()
    (world / "first").unlink()
    again = tiny.ask("retry", "dev#1", "--failed-hosts")
    assert again.code == 0, again.all
    assert "play: only h2, h3." in again.err
    assert ran(world) == ["h2", "h3"]
    ((body,),) = tiny.rows("select body from audit where verb = 'run.retried'")
    assert json.loads(body)["only_hosts"] == {"play": ["h2", "h3"]}
    told = tiny.rows("select body from run_events where type = 'stage.narrowed'")
    assert [json.loads(each)["hosts"] for (each,) in told] == [["h2", "h3"]]


def test_whoever_takes_a_narrowed_retry_over_runs_no_other_host(make: Make, world: Path) -> None:
    """The controller of `retry --failed-hosts` dies before its stage began: only h2 runs still."""
    tiny = make()
    playbook(tiny, world, fails_on_h2(world))
    assert tiny.ask("up", "dev", "--yes").code == 4
    (world / "mended").touch()
    (world / "first").unlink()
    point = "controller after commit of retrying._reopened #1"
    armed(tiny, point, "retry", "dev#1", "--failed-hosts").wait(PATIENCE)
    assert (world / "died").exists()
    assert not (world / "first").exists()
    answer = tiny.ask("wait", "dev#1")
    assert answer.code == 0, answer.all
    assert ran(world) == ["h2"]


def test_a_cancelled_playbook_whose_attempt_dies_is_not_called_done(
    make: Make, world: Path
) -> None:
    """Stopped in its second task; its attempt is killed before its result is written."""
    tiny = make()
    playbook(tiny, world, f"echo x >> {world}/begun; sleep 600")
    up = armed(tiny, "attempt play-1 before record #1", "up", "dev", "--yes")
    tiny.until_begun("begun", 3)
    tiny.ask("cancel", "dev#1")
    up.wait(PATIENCE)
    assert (world / "died").exists()
    assert tiny.stage_status("play") == "lost"
    answer = tiny.ask("retry", "dev#1")
    assert answer.code == 10, answer.all
    assert "its recap came" not in answer.all
    assert "'work'" in answer.err
