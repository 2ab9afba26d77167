"""Does Pulumi come onto a machine whole or not at all, and by the right way?"""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.model.errors import ToolError
from orchestrator.setup import pulumi_install
from orchestrator.setup.golang import go_on_path
from orchestrator.setup.pulumi_cli import OWN_VERSION
from orchestrator.setup.pulumi_install import PROGRAMS, install_pulumi, is_complete
from orchestrator.setup.running import StepFailed
from tests.setup.machine import Machine, starts

CHECKOUT = Path(__file__).parent.parent.parent
INSTALLED = ".pulumi/versions/" + OWN_VERSION
TOOLS = "/usr/bin:/bin"


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were built into; a build only lays the programs down."""
    made: list[Path] = []

    def build(folder: Path, *_: object) -> None:
        made.append(folder)
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        for program in PROGRAMS:
            (folder / "bin" / program.name).touch(mode=0o755)

    monkeypatch.setattr(pulumi_install, "build_pulumi", build)
    return made


def _install(machine: Machine, report: Callable[[str], None] = lambda _: None) -> Path:
    env = {**machine.env, "PATH": f"{machine.path}:{TOOLS}"}
    return install_pulumi(CHECKOUT, env, report)


def _curl(machine: Machine, script: str) -> Path:
    """A curl that writes `script` to where -o says."""
    curl = machine.program("curl")
    text = f'#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\ncat > "$2" <<\'EOF\'\n{script}\nEOF\n'
    curl.write_text(text)
    return curl


def test_pulumis_own_installer_is_taken_where_it_is_reached(
    machine: Machine, builds: list[Path]
) -> None:
    """What the vendor's script lays down goes into the versions folder; nothing is built."""
    lay = "\n".join(f'install -m755 /dev/null "$3/bin/{p.name}"' for p in PROGRAMS)
    _curl(machine, f'mkdir -p "$3/bin"\n{lay}')
    pulumi = _install(machine)
    assert pulumi == machine.home / INSTALLED / "bin" / "pulumi"
    assert is_complete(machine.home / INSTALLED)
    assert not builds


def test_an_unreachable_installer_leads_to_a_build(machine: Machine, builds: list[Path]) -> None:
    """The reason is told, and Pulumi is built instead."""
    machine.program("curl").write_text("#!/bin/sh\necho 'curl: (28) timed out' >&2\nexit 28\n")
    said: list[str] = []
    _install(machine, said.append)
    assert len(builds) == 1
    assert any("not to be had (curl: (28) timed out)" in line for line in said)
    assert is_complete(machine.home / INSTALLED)


def test_an_installer_that_brings_half_is_not_believed(
    machine: Machine, builds: list[Path]
) -> None:
    """A download without the YAML host is made whole by a build."""
    _curl(machine, 'mkdir -p "$3/bin"\ninstall -m755 /dev/null "$3/bin/pulumi"')
    _install(machine)
    assert len(builds) == 1
    assert is_complete(machine.home / INSTALLED)


def test_a_failed_build_leaves_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a half-made version nor a folder it was made in stays behind."""
    machine.program("curl").write_text("#!/bin/sh\nexit 7\n")

    def build(folder: Path, *_: object) -> None:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "pulumi").touch(mode=0o755)
        raise StepFailed("building", ["go"], 1, "no space left on device")

    monkeypatch.setattr(pulumi_install, "build_pulumi", build)
    with pytest.raises(StepFailed, match="no space left"):
        _install(machine)
    left = {path.name for path in (machine.home / ".pulumi" / "versions").iterdir()}
    assert left == {".orchestrator-lock"}


def test_an_incomplete_version_is_replaced(machine: Machine, builds: list[Path]) -> None:
    """A folder without the YAML host gives way to a whole one."""
    machine.program("curl").write_text("#!/bin/sh\nexit 7\n")
    machine.program("pulumi", folder=machine.home / INSTALLED / "bin")
    _install(machine)
    assert len(builds) == 1
    assert is_complete(machine.home / INSTALLED)


def test_what_is_whole_is_left_alone(machine: Machine, builds: list[Path]) -> None:
    """A second install asks nobody and builds nothing."""
    curl = machine.program("curl")
    machine.pulumi_version(OWN_VERSION)
    _install(machine)
    assert not builds
    assert starts(curl) == 0


def test_outside_a_checkout_the_refusal_says_what_to_do(machine: Machine, tmp_path: Path) -> None:
    """Without the module lock there is nothing to build from, and it is said so."""
    machine.program("curl").write_text("#!/bin/sh\nexit 7\n")
    env = {**machine.env, "PATH": f"{machine.path}:{TOOLS}"}
    with pytest.raises(ToolError, match="Work in a git checkout, or install Pulumi"):
        install_pulumi(tmp_path / "elsewhere", env, lambda _: None)


@pytest.mark.parametrize(
    ("says", "is_taken"),
    [
        ("go version go1.19.8 linux/amd64", False),
        ("go version go1.25.10 linux/amd64", False),
        ("go version go1.25.11 linux/amd64", True),
        ("go version go1.26 linux/amd64", True),
        ("", False),
    ],
)
def test_only_a_new_enough_go_is_taken(machine: Machine, says: str, is_taken: bool) -> None:
    """Debian 12's Go is too old; one that says nothing is not trusted."""
    go = machine.program("go", says)
    assert go_on_path(machine.env) == (go if is_taken else None)
