"""Does the doctor see what is missing, mend what it can, and leave the rest alone?"""

import sys
import textwrap
from pathlib import Path

import pytest

from orchestrator.setup import doctor, python_side
from orchestrator.setup.doctor import PULUMI, YAML_HOST, examine, fix
from orchestrator.setup.pulumi_cli import OWN_VERSION
from orchestrator.setup.rows import Options, Row, State
from orchestrator.setup.table import fixes, table
from tests.setup.machine import Machine, starts


def _rows(machine: Machine, *, tests: bool = False) -> dict[str, Row]:
    return {row.name: row for row in examine(Options(env=machine.env, tests=tests))}


def _complete(machine: Machine) -> Machine:
    for name in ("git", "ssh", "ssh-keygen"):
        machine.program(name)
    machine.pulumi_version(OWN_VERSION)
    return machine


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of our own with one module whose byte code is up to date."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "one.py").write_text("x = 1\n")
    monkeypatch.setattr(python_side, "PACKAGE", package)
    python_side.compile_package(lambda _: None)
    return package


@pytest.mark.usefixtures("compiled")
def test_a_complete_machine_has_nothing_to_mend(machine: Machine) -> None:
    """Where all is there every row is ok and names no fix."""
    rows = _rows(_complete(machine))
    assert {row.state for row in rows.values()} == {State.OK}
    assert not fixes(rows.values())


@pytest.mark.usefixtures("compiled")
def test_with_nothing_to_do_nothing_is_started_or_loaded(machine: Machine) -> None:
    """A second look starts no Pulumi, and fix takes no step."""
    _complete(machine)
    options = Options(env=machine.env)
    said: list[str] = []
    rows = fix(examine(options), said.append, options)
    assert not said
    assert all(row.state is State.OK for row in rows)
    assert starts(machine.home / ".pulumi" / "versions" / OWN_VERSION / "bin" / "pulumi") == 1


def test_the_doctor_loads_neither_pulumi_nor_ansible() -> None:
    """Examining stays quick: the heavy packages are asked for their version, not imported."""
    import subprocess

    program = """
        import sys
        from orchestrator.setup.doctor import examine
        from orchestrator.setup.rows import Options
        examine(Options(tests=True))
        print([name for name in ("pulumi", "grpc", "ansible", "sqlalchemy") if name in sys.modules])
    """
    run = [sys.executable, "-c", textwrap.dedent(program)]
    asked = subprocess.run(run, capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"


def test_a_missing_pulumi_can_be_fixed(machine: Machine) -> None:
    """Pulumi and its YAML host are missing, and --fix brings both."""
    rows = _rows(machine)
    assert rows[PULUMI].state is State.MISSING
    assert rows[PULUMI].can_fix
    assert rows[YAML_HOST].can_fix
    assert "doctor --fix" in rows[PULUMI].fix


def test_an_old_pulumi_is_shown_with_its_version_and_place(machine: Machine) -> None:
    """The row of an old Pulumi says which version lies where."""
    old = machine.program("pulumi", "v3.100.2")
    row = _rows(machine)[PULUMI]
    assert row.state is State.OLD
    assert row.blocks
    assert row.found == f"3.100.2 at {old}"


def test_somebody_elses_pulumi_without_yaml_host_is_a_warning(machine: Machine) -> None:
    """A Pulumi that is not ours is left as it is; Python programs work without the host."""
    machine.program("pulumi", "v3.260.0")
    row = _rows(machine)[YAML_HOST]
    assert (row.state, row.can_fix, row.blocks) == (State.WARN, False, False)


def test_an_incomplete_pulumi_of_ours_is_mended(machine: Machine) -> None:
    """Our own versions folder without the YAML host is made again."""
    machine.pulumi_version(OWN_VERSION).with_name("pulumi-language-yaml").unlink()
    row = _rows(machine)[YAML_HOST]
    assert (row.state, row.can_fix) == (State.MISSING, True)


def test_without_apt_the_packages_are_named(machine: Machine) -> None:
    """On a machine that is no Debian the fix says which packages, and --fix keeps out of it."""
    row = _rows(machine)["ssh"]
    assert row.state is State.MISSING
    assert row.found == "not there: ssh, ssh-keygen"
    assert row.fix == "install what Debian calls openssh-client"
    assert not row.can_fix


@pytest.mark.parametrize(
    ("is_root", "shown"),
    [
        (True, "apt-get update && apt-get install -y --no-install-recommends git"),
        (False, "sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends git'"),
    ],
)
def test_apt_is_run_as_root_and_shown_otherwise(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, is_root: bool, shown: str
) -> None:
    """The exact command stands in the row; only root lets --fix run it."""
    machine.program("apt-get")
    monkeypatch.setattr("os.geteuid", lambda: 0 if is_root else 1000)
    row = _rows(machine)["git"]
    assert row.fix == shown
    assert row.can_fix is is_root


def test_all_packages_are_installed_at_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run of apt brings the packages of every row."""
    apt = machine.program("apt-get")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    options = Options(env=machine.env)
    wanted = [row for row in examine(options) if row.packages]
    said: list[str] = []
    fix(wanted, said.append, options)
    assert starts(apt) == 2  # update, install
    assert "Debian packages git, openssh-client …" in said


def test_a_step_that_fails_says_why_and_the_rest_goes_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last words of a failed step are shown, and the next step is still taken."""
    machine.program("apt-get").write_text("#!/bin/sh\necho 'E: no such mirror' >&2\nexit 100\n")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    taken: list[str] = []
    monkeypatch.setattr(doctor, "install_pulumi", lambda *_: taken.append("pulumi"))
    options = Options(env=machine.env)
    said: list[str] = []
    rows = fix(examine(options), said.append, options)
    assert any("ended with 100" in line and "E: no such mirror" in line for line in said)
    assert taken == ["pulumi"]  # once, though the CLI and its YAML host are both missing
    assert any(row.name == "git" and row.state is State.MISSING for row in rows)


def test_stale_byte_code_is_a_warning_and_is_mended(machine: Machine, compiled: Path) -> None:
    """A module changed after it was compiled is noticed; compiling it again settles it."""
    (compiled / "two.py").write_text("y = 2\n")
    (compiled / "one.py").write_text("x = 1000\n")
    row = python_side.byte_code_row()
    assert (row.state, row.found) == (State.WARN, "lacking for 2")
    options = Options(env=_complete(machine).env)
    rows = {after.name: after for after in fix([row], lambda _: None, options)}
    assert rows[python_side.BYTE_CODE].state is State.OK


def test_the_table_shows_each_row_and_the_fix_of_the_bad_ones(machine: Machine) -> None:
    """Every row stands in the table; below it one line per thing to do."""
    rows = _rows(machine).values()
    text = table(rows)
    assert all(row.name in text for row in rows)
    assert f"missing: {PULUMI} (nowhere) -> orchestrator doctor --fix" in text


def test_light_hosts_are_looked_for_only_where_they_are_used(machine: Machine) -> None:
    """A project without light hosts is told nothing of them."""
    assert not [name for name in _rows(machine) if "light hosts" in name]
