"""Which tool does a test need, and what happens on a machine without it?

On a developer's machine such a test is skipped and names what is missing; where CI is set (the
variable; `.ci/run` sets it) it fails instead.
Use a mark on a test, a class, or a whole module:

    from tests.needs import needs_light_hosts, needs_pulumi

    @needs_pulumi
    def test_...

    pytestmark = [needs_root, needs_postgres]

Every need but git, ssh and root makes the test `real` as well, so that `make check` leaves it out
without being told twice.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.postgres import postgres_programs

CHECKOUT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing a test may need: how to see that it is there, and the command that brings it."""

    present: Callable[[], bool]
    fix: str
    real: bool = True


def in_ci() -> bool:
    """True where a missing tool is a failure: CI is set to anything but nothing, 0 or false."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def what_is_missing(names: tuple[str, ...]) -> str | None:
    """What this machine lacks of `names`, with the commands that bring it; None if all is there."""
    absent = [name for name in names if not is_present(name)]
    if not absent:
        return None
    return "; ".join(f"{name} is missing (bring it with: {NEEDS[name].fix})" for name in absent)


@cache
def is_present(name: str) -> bool:
    """True if the machine has what `NEEDS[name]` stands for; looked up once per test run."""
    return NEEDS[name].present()


@cache
def pulumi_path() -> Path:
    """The Pulumi CLI the program itself would find. Raises PulumiMissing, PulumiTooOld."""
    from orchestrator.setup.pulumi_cli import find_pulumi

    return find_pulumi(os.environ)


def _has_pulumi() -> bool:
    from orchestrator.model.errors import OrchestratorError

    try:
        pulumi_path()
    except OrchestratorError:
        return False
    return True


def _has_light_hosts() -> bool:
    return os.geteuid() == 0 and all(
        subprocess.run(
            [sys.executable, "-m", "orchestrator.lighthosts", act, "--check"],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        ).returncode
        == 0
        for act in ("image", "install")
    )


def _on_path(*programs: str) -> Callable[[], bool]:
    return lambda: all(shutil.which(program) for program in programs)


NEEDS = {
    "pulumi": Need(present=_has_pulumi, fix="make setup"),
    "light hosts": Need(present=_has_light_hosts, fix="make setup, as root"),
    "postgres": Need(
        present=lambda: postgres_programs() is not None, fix="apt-get install postgresql"
    ),
    "root": Need(present=lambda: os.geteuid() == 0, fix="run the tests as root", real=False),
    "git": Need(present=_on_path("git"), fix="apt-get install git", real=False),
    "ssh": Need(
        present=_on_path("ssh", "ssh-keygen"), fix="apt-get install openssh-client", real=False
    ),
}

needs_pulumi = pytest.mark.needs("pulumi")
needs_light_hosts = pytest.mark.needs("light hosts", "pulumi", "root", "ssh")
needs_postgres = pytest.mark.needs("postgres")
needs_root = pytest.mark.needs("root")
needs_git = pytest.mark.needs("git")
needs_ssh = pytest.mark.needs("ssh")
