"""Do the roles of the reference project really bring a host to what they promise?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.lighthosts.image import cache_root
from tests.lighthosts.traces import soon_no_traces
from tests.needs import CHECKOUT, needs_light_hosts
from tests.roles import light

pytestmark = needs_light_hosts
ROLES = ("database", "app", "edge", "base")  # a long one first: two run at a time
TAIL = 60  # lines of a failed scenario that are shown
WITHIN = 20 * 60


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, for the sockets of SSH. Whatever still runs there afterwards is ended."""
    with tempfile.TemporaryDirectory(prefix="roles-") as name:
        yield Path(name)


def test_every_role_converges_once_and_then_changes_nothing(folder: Path) -> None:
    """On real hosts each role does what its scenario verifies, a second run and a check find
    nothing to do, a bad batch stops the roll of app, and nothing is left of the hosts."""
    with ThreadPoolExecutor(2) as pool:
        ran = dict(zip(ROLES, pool.map(lambda r: _molecule(r, folder / r), ROLES), strict=True))
    failed = {role: code for role, (code, _) in ran.items() if code}
    shown = "\n\n".join(f"role {role}: {_tail(ran[role][1])}" for role in failed)
    assert not failed, shown


def test_a_scenario_that_fails_leaves_no_host(folder: Path) -> None:
    """Hosts are taken away where converge fails, too."""
    code, said = _molecule("base", folder, "-e", '{"guestbook_environment": "{{ 1 / 0 }}"}')
    assert code != 0, _tail(said)
    assert "converge: Executed: Failed" in said, _tail(said)


def _molecule(role: str, folder: Path, *arguments: str) -> tuple[int, str]:
    """Status and output of `molecule test`; fails if anything of its hosts is left."""
    log = folder / "log"
    try:
        folder.mkdir(exist_ok=True)
        code = _run(["molecule", "test", "--", *arguments], role, folder, log)
        _assert_nothing_left(folder)
        return code, log.read_text()
    finally:
        light.destroy(folder / "run")


def _run(argv: list[str], role: str, folder: Path, log: Path) -> int:
    with log.open("w") as output:
        process = subprocess.Popen(
            argv,
            cwd=CHECKOUT / "playbooks" / "roles" / role,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(WITHIN)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment(folder: Path) -> dict[str, str]:
    """Whatever molecule and Ansible keep goes into the folder, not into the user's home."""
    home, programs = folder / "home", Path(sys.executable).parent
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "ANSIBLE_HOME": str(home / ".ansible"),
        "XDG_CACHE_HOME": str(cache_root().parent.parent),  # the image of the light hosts
        "MOLECULE_EPHEMERAL_DIRECTORY": str(folder / "run"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
    }


def _assert_nothing_left(folder: Path) -> None:
    assert soon_no_traces(light.site_of(folder / "run"), ports=(), namespaces=()) == []


def _tail(said: str) -> str:
    return "\n".join(said.splitlines()[-TAIL:])
