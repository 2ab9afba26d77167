"""A folder that holds exactly what it should."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.files.mirror import mirror
from orchestrator.model.errors import ReleaseError


class Shelf:
    """Contents by sha256; counts what was asked for, and can break off."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}
        self.asked = 0
        self.breaks_at = -1

    def wanted(self, files: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """`-> x` is a link, `! x` a program."""
        return {path: self._entry(text) for path, text in files.items()}

    def __call__(self, digest: str) -> bytes:
        if self.asked == self.breaks_at:
            raise KeyboardInterrupt
        self.asked += 1
        return self.known[digest]

    def _entry(self, text: str) -> tuple[str, str]:
        mode = {"-> ": "120000", "! ": "100755"}.get(text[: 3 if text[0:1] == "-" else 2], "100644")
        content = text.removeprefix("-> ").encode()
        digest = hashlib.sha256(content).hexdigest()
        self.known[digest] = content
        return mode, digest


def there(folder: Path) -> dict[str, str]:
    """What the folder holds, written as Shelf.wanted reads it; `/` for an empty folder."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            if not any(path.iterdir()):
                found[name] = "/"
        else:
            found[name] = path.read_text()
    return found


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "trees" / "dev"


FIRST = {"a": "1", "b/c": "2", "b/d/e": "! 3", "link": "-> b/c", "gone/x": "4", "swap": "5"}
SECOND = {"a": "1", "b/c": "22", "b/d/e": "3", "link": "-> a", "new/y": "6", "swap/z": "7"}


def test_from_one_release_to_the_next(folder: Path, shelf: Shelf) -> None:
    """Changed files change, vanished ones go, folders and files trade places, others stay."""
    assert mirror(folder, shelf.wanted(FIRST), shelf) == len(FIRST)
    assert there(folder) == FIRST
    untouched = (folder / "a").stat()
    assert mirror(folder, shelf.wanted(SECOND), shelf) == 5
    assert there(folder) == SECOND
    assert (folder / "a").stat() == untouched
    assert (folder / "b/d/e").stat().st_mode & 0o777 == 0o644
    assert mirror(folder, shelf.wanted(FIRST), shelf) == 5
    assert there(folder) == FIRST
    assert (folder / "b/d/e").stat().st_mode & 0o777 == 0o755


def test_a_second_time_reads_nothing(folder: Path, shelf: Shelf) -> None:
    """Nothing is asked for or written where all is as it should be."""
    mirror(folder, shelf.wanted(FIRST), shelf)
    shelf.breaks_at = shelf.asked
    assert mirror(folder, shelf.wanted(FIRST), shelf) == 0


def test_what_others_did_is_undone(folder: Path, shelf: Shelf) -> None:
    """Changed contents, modes and links, added and removed files: all is as it was."""
    mirror(folder, shelf.wanted(FIRST), shelf)
    times = (folder / "a").stat()
    (folder / "a").write_text("9")
    os.utime(folder / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    (folder / "b/c").chmod(0o777)
    (folder / "b/d/e").unlink()
    (folder / "link").unlink()
    (folder / "link").symlink_to("/etc/passwd")
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").symlink_to("/usr/bin/python3")
    os.mkfifo(folder / "pipe")
    assert mirror(folder, shelf.wanted(FIRST), shelf) == 4
    assert there(folder) == FIRST
    assert (folder / "b/c").stat().st_mode & 0o777 == 0o644


def test_byte_code_is_kept_where_its_source_may_be(folder: Path, shelf: Shelf) -> None:
    """__pycache__ stays in folders of the release and goes with folders that went."""
    mirror(folder, shelf.wanted(FIRST), shelf)
    for place in ("b/__pycache__", "gone/__pycache__"):
        (folder / place).mkdir()
        (folder / place / "c.pyc").write_text("code")
    mirror(folder, shelf.wanted(SECOND), shelf)
    assert there(folder) == SECOND | {"b/__pycache__/c.pyc": "code"}


def test_nothing_outside_is_touched(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    """A link laid where a folder or file should be is replaced, not followed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c").write_text("mine")
    folder.mkdir(parents=True)
    (folder / "b").symlink_to(outside)
    (folder / "a").symlink_to(outside / "c")
    (folder / "extra").symlink_to(outside)
    mirror(folder, shelf.wanted(FIRST), shelf)
    assert there(folder) == FIRST
    assert there(outside) == {"c": "mine"}


@pytest.mark.parametrize(
    "path",
    ["../x", "/x", "a/../x", "a//x", "", ".", "a/./x", ".git/config", "a/.git/hooks/x", "x\0y"],
)
def test_paths_that_lead_outside(folder: Path, shelf: Shelf, path: str) -> None:
    """They are refused before anything is written."""
    with pytest.raises(ReleaseError, match="outside"):
        mirror(folder, shelf.wanted({"a1": "1", path: "2"}), shelf)
    assert not folder.exists()


@pytest.mark.parametrize("paths", [["a", "a/b"], ["a/b", "a"]])
def test_a_file_where_a_folder_is_needed(folder: Path, shelf: Shelf, paths: list[str]) -> None:
    """A release that contradicts itself is refused."""
    with pytest.raises(ReleaseError, match="folder"):
        mirror(folder, shelf.wanted(dict.fromkeys(paths, "1")), shelf)


def test_damaged_content(folder: Path, shelf: Shelf) -> None:
    """Content that is not what its digest says is not written."""
    wanted = shelf.wanted(FIRST)
    shelf.known[wanted["b/c"][1]] = b"evil"
    with pytest.raises(ReleaseError, match="b/c is not what"):
        mirror(folder, wanted, shelf)
    assert "evil" not in there(folder).values()


def test_a_folder_that_cannot_be(tmp_path: Path, shelf: Shelf) -> None:
    """A file in its place, or in its way, is a clear error."""
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file/dev"):
        with pytest.raises(ReleaseError, match="cannot be written"):
            mirror(folder, shelf.wanted(FIRST), shelf)


FILES = st.dictionaries(
    st.sampled_from(["a", "b", "c/a", "c/b", "d/e/f", "d/g"]),
    st.sampled_from(["1", "2", "! 3", "-> a", "-> c/b", ""]),
)


@given(FILES, FILES, st.integers(0, 7), st.booleans())
def test_whatever_was_broken_off(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[str, str],
    after: dict[str, str],
    breaks_at: int,
    lost: bool,
) -> None:
    """From any state, broken off anywhere, manifest lost or not: the next call makes it right."""
    folder = tmp_path_factory.mktemp("m") / "dev"
    shelf = Shelf()
    mirror(folder, shelf.wanted(before), shelf)
    shelf.breaks_at = shelf.asked + breaks_at
    try:
        mirror(folder, shelf.wanted(after), shelf)
    except KeyboardInterrupt:
        shelf.breaks_at = -1
        if lost:
            (folder.parent / ".dev.manifest.json").write_text("{broken")
        mirror(folder, shelf.wanted(after), shelf)
    assert there(folder) == after
    beside = {path.name for path in folder.parent.iterdir()}
    assert beside <= {".dev.lock", ".dev.manifest.json", "dev"}
