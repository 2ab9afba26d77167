"""Is the right Pulumi CLI found, and does the refusal name the fix?"""

import os
from pathlib import Path

import pytest

from orchestrator.model.errors import OrchestratorError
from orchestrator.setup.pulumi_cli import (
    OWN_VERSION,
    PulumiMissing,
    PulumiTooOld,
    find_pulumi,
    find_yaml_host,
    version_of,
)
from tests.needs import needs_pulumi, pulumi_path
from tests.setup.machine import Machine, starts


def test_path_comes_first_where_its_version_fits(machine: Machine) -> None:
    """A Pulumi of the user's own on PATH is taken before the versions folder."""
    own = machine.program("pulumi", "v3.261.0")
    machine.pulumi_version(OWN_VERSION)
    assert find_pulumi(machine.env) == own


def test_a_pulumi_too_old_on_path_is_passed_over(machine: Machine) -> None:
    """An old Pulumi on PATH does not hide the one that fits."""
    machine.program("pulumi", "v3.100.0")
    fitting = machine.pulumi_version(OWN_VERSION)
    assert find_pulumi(machine.env) == fitting


def test_another_version_of_the_folder_is_taken_if_ours_is_not_there(machine: Machine) -> None:
    """Any version in the versions folder that fits will do."""
    machine.pulumi_version("3.90.0")
    newer = machine.pulumi_version("3.265.1")
    assert find_pulumi(machine.env) == newer


def test_no_pulumi_names_where_it_was_looked_for_and_the_fix(machine: Machine) -> None:
    """The refusal says what, where, which version, and the command."""
    with pytest.raises(PulumiMissing) as refusal:
        find_pulumi(machine.env)
    text = str(refusal.value)
    assert str(machine.home / ".pulumi" / "versions") in text
    assert ">=3.259" in text
    assert "orchestrator doctor --fix" in text
    assert isinstance(refusal.value, OrchestratorError)


@pytest.mark.parametrize("says", ["v3.258.9", "v4.0.0", "", "zsh: bad interpreter"])
def test_a_pulumi_that_does_not_fit_is_named_with_its_version(machine: Machine, says: str) -> None:
    """Too old, too new, or silent: the path, what it said and the fix stand in the refusal."""
    found = machine.program("pulumi", says)
    with pytest.raises(PulumiTooOld) as refusal:
        find_pulumi(machine.env)
    text = str(refusal.value)
    assert str(found) in text
    assert (says.removeprefix("v") if says.startswith("v") else "no stated version") in text
    assert "orchestrator doctor --fix" in text


def test_a_pulumi_that_cannot_be_started_does_not_fit(machine: Machine) -> None:
    """A broken program is a refusal, no traceback."""
    broken = machine.program("pulumi")
    broken.write_bytes(b"\x7fELF, but not really")
    with pytest.raises(PulumiTooOld):
        find_pulumi(machine.env)


def test_a_known_pulumi_is_not_started_again(machine: Machine) -> None:
    """Its answer is kept until the file changes."""
    found = machine.program("pulumi", "v3.259.0")
    assert [version_of(found, machine.env) for _ in range(3)] == ["3.259.0"] * 3
    assert starts(found) == 1
    machine.program("pulumi", "v3.260.11")
    assert version_of(found, machine.env) == "3.260.11"


def test_a_silent_pulumi_is_asked_again(machine: Machine) -> None:
    """No answer is never kept: what did not start may start the next time."""
    found = machine.program("pulumi", "")
    assert [version_of(found, machine.env) for _ in range(2)] == ["", ""]
    assert starts(found) == 2


@pytest.mark.parametrize("kept", ["", "[1, 2]", "{", '{"a": 1}'])
def test_a_spoilt_memory_is_only_forgotten(machine: Machine, kept: str) -> None:
    """A cache file of any content never gets in the way."""
    cache = machine.home / ".cache" / "orchestrator" / "pulumi-versions.json"
    cache.parent.mkdir(parents=True)
    cache.write_text(kept)
    found = machine.program("pulumi", "v3.259.0")
    assert find_pulumi(machine.env) == found


def test_a_cache_that_cannot_be_written_costs_only_time(machine: Machine) -> None:
    """Where ~/.cache is a file, Pulumi is found all the same."""
    (machine.home / ".cache").write_text("in the way")
    found = machine.program("pulumi", "v3.259.0")
    assert find_pulumi(machine.env) == found


def test_the_yaml_host_is_found_beside_the_real_cli(machine: Machine) -> None:
    """A link to the CLI on PATH is followed to where its companions lie."""
    real = machine.pulumi_version(OWN_VERSION)
    (machine.path / "pulumi").symlink_to(real)
    host = find_yaml_host(machine.path / "pulumi", machine.env)
    assert host == real.with_name("pulumi-language-yaml")


def test_no_yaml_host_is_none(machine: Machine) -> None:
    """A CLI alone has no host of yaml programs."""
    assert find_yaml_host(machine.program("pulumi", "v3.259.0"), machine.env) is None


@needs_pulumi
def test_the_real_pulumi_says_a_version_that_fits() -> None:
    """What the set-up brought is stamped: without the stamp it would say nothing."""
    assert version_of(pulumi_path(), os.environ).startswith("3.")


def test_own_version_is_the_one_that_is_locked() -> None:
    """The module lock, the Python SDK and the code name one and the same version."""
    checkout = Path(__file__).parent.parent.parent
    assert f"pulumi/pkg/v3 v{OWN_VERSION} " in (checkout / "tools/pulumi/go.mod").read_text()
    assert f"\npulumi=={OWN_VERSION} " in (checkout / "requirements/runtime.txt").read_text()
