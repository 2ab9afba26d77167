"""Is what is committed free of hosts, machine paths and binaries, and are the locks complete?"""

import re
import subprocess
from pathlib import Path

import pytest

from tests.needs import needs_git

CHECKOUT = Path(__file__).parent.parent.parent
LOCKS = sorted((CHECKOUT / "requirements").glob("*.txt"))

# Put together here, so that this file does not name what it forbids.
REGISTRIES = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("deb", "debian", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("registry", "npmjs", "org"),
        ("crates", "io"),
        ("repo1", "maven", "org"),
    ]
]
MACHINE_PATHS = ["/" + name + "/" for name in ("work", "farm")]


def _committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    paths = [CHECKOUT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


@needs_git
def test_committed_files_name_no_registry_and_no_path_of_a_machine() -> None:
    """Where packages come from is each machine's own setting, and nobody else has our folders."""
    # A path counts only where it begins: docs/work/ is none of a machine.
    paths = "|".join(f"(?<![\\w.$}}*-]){re.escape(path)}" for path in MACHINE_PATHS)
    forbidden = re.compile("|".join([*map(re.escape, REGISTRIES), paths]).encode())
    named = {
        str(path.relative_to(CHECKOUT)): found.group().decode()
        for path in _committed()
        if (found := forbidden.search(path.read_bytes()))
    }
    assert not named


@needs_git
def test_no_binary_is_committed() -> None:
    """Programs are installed or built, never kept in git."""
    binaries = [path for path in _committed() if b"\0" in path.read_bytes()[:8000]]
    assert not [path for path in binaries if path.suffix not in (".png", ".ico", ".woff2")]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.name))
def test_a_lock_pins_each_package_by_hash_and_names_no_host(lock: Path) -> None:
    """Every entry is an exact version with a hash, and no line says where it comes from."""
    joined = lock.read_text().replace("\\\n", " ")
    entries = [line for line in joined.splitlines() if line.strip() and line[0] != "#"]
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==\S+ ", entry), entry
        assert "--hash=sha256:" in entry
        assert "://" not in entry
        assert " @ " not in entry


def test_the_go_sum_binds_every_module_of_the_lock() -> None:
    """Each module in go.mod has its hash in go.sum, so a build takes nothing unseen."""
    module = CHECKOUT / "tools" / "pulumi"
    required = re.findall(r"^\t(\S+ v\S+)(?: // indirect)?$", (module / "go.mod").read_text(), re.M)
    hashed = set(
        re.findall(r"^(\S+ v\S+?)(?:/go\.mod)? h1:", (module / "go.sum").read_text(), re.M)
    )
    assert required
    assert set(required) <= hashed
