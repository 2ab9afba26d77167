"""What makes an environment what it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.files.environment_digest import (
    environment_digest,
    environment_files,
    materialise_environment,
)
from orchestrator.model.definitions import Environment
from orchestrator.model.errors import ReleaseError
from orchestrator.model.positions import Position
from tests.files.repositories import write
from tests.files.test_mirror import there

DEV = Environment(
    name="dev",
    files=("inventories/dev/environment.yaml", "inventories/common.yaml"),
    position=Position(file="inventories/dev/environment.yaml", line=1, column=1),
)
FILES = {
    "inventories/dev/environment.yaml": "name: dev",
    "inventories/dev/hosts.yaml": "all: {}",
    "inventories/dev/.vault.log": "what git may ignore counts as well",
    "inventories/dev/group_vars/all.yml": "a: 1",
    "inventories/dev/hosts.yaml~": "an editor's",
    "inventories/dev/host_vars": "-> ../shared/host_vars",
    "inventories/shared/host_vars/web1.yml": "b: 1",
    "inventories/prod/hosts.yaml": "other",
    "inventories/common.yaml": "vars: {}",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "p", FILES)
    return tmp_path / "p"


def test_which_files_belong(root: Path) -> None:
    """All below its folder, links within the project followed, and what it extends."""
    assert set(environment_files(root, DEV)) == {
        "inventories/common.yaml",
        "inventories/dev/.vault.log",
        "inventories/dev/environment.yaml",
        "inventories/dev/group_vars/all.yml",
        "inventories/dev/host_vars/web1.yml",
        "inventories/dev/hosts.yaml",
    }


@pytest.mark.parametrize(
    "path",
    [
        "inventories/common.yaml",
        "inventories/dev/group_vars/new.yml",
        "inventories/shared/host_vars/web1.yml",
    ],
)
def test_what_changes_the_digest(root: Path, path: str) -> None:
    """Every file of it does, others do not."""
    before = environment_digest(environment_files(root, DEV), {})
    (root / "inventories/prod/hosts.yaml").write_text("changed")
    assert environment_digest(environment_files(root, DEV), {}) == before
    (root / path).write_text("changed")
    assert environment_digest(environment_files(root, DEV), {}) != before


def test_secret_versions_change_the_digest(root: Path) -> None:
    """So does another version, or name, of a secret."""
    files = environment_files(root, DEV)
    versions = [{}, {"a": "1"}, {"a": "2"}, {"b": "1"}]
    assert len({environment_digest(files, version) for version in versions}) == 4


def test_the_folder_ansible_gets(root: Path, tmp_path: Path) -> None:
    """It looks as the environment's own does, with files where links led out of it."""
    files = environment_files(root, DEV)
    assert materialise_environment(root, DEV, files, tmp_path / "out") == 5
    assert materialise_environment(root, DEV, files, tmp_path / "out") == 0
    assert there(tmp_path / "out") == {
        ".vault.log": "what git may ignore counts as well",
        "environment.yaml": "name: dev",
        "group_vars/all.yml": "a: 1",
        "host_vars/web1.yml": "b: 1",
        "hosts.yaml": "all: {}",
    }
    assert not (tmp_path / "out/host_vars").is_symlink()


def test_all_problems_of_an_environment(root: Path, tmp_path: Path) -> None:
    """Links that leave the project, lead nowhere or in circles, and missing files, all at once."""
    (tmp_path / "outside").write_text("x")
    (root / "inventories/common.yaml").unlink()
    write(
        root,
        {
            "inventories/dev/out": "-> ../../../outside",
            "inventories/dev/none": "-> nothing",
            os.fsdecode(b"inventories/dev/\xff"): "bad name",
            "inventories/dev/group_vars/circle": "-> ..",
        },
    )
    with pytest.raises(ReleaseError) as caught:
        environment_files(root, DEV)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()[1:]] == [
        "  - inventories/dev/group_vars/circle is a link to a folder it lies in",
        "  - inventories/dev/none is a link to nothing",
        "  - inventories/dev/out is a link that leaves the project",
        "  - inventories/common.yaml does not exist",
        "  - inventories/dev/\ufffd has a name that is not UTF-8",
    ]


def test_a_missing_environment(root: Path) -> None:
    """Its folder is named."""
    other = Environment(name="qa", position=DEV.position)
    with pytest.raises(ReleaseError, match="inventories/qa/ does not exist"):
        environment_files(root, other)


def test_a_file_that_changes_meanwhile(root: Path, tmp_path: Path) -> None:
    """What was not part of the digest is not handed on."""
    files = environment_files(root, DEV)
    (root / "inventories/dev/hosts.yaml").write_text("changed")
    with pytest.raises(ReleaseError, match=r"hosts\.yaml"):
        materialise_environment(root, DEV, files, tmp_path / "out")
