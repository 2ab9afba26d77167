"""What git is asked, and how it answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.files.git import Repository, toplevel
from orchestrator.model.errors import NotFound, ToolError
from tests.files.repositories import PROJECT, commit, git, write


def test_a_project_in_a_subfolder(tmp_path: Path) -> None:
    """All paths are relative to the project, wherever it lies in the repository."""
    head = commit(tmp_path, {f"deep/project/{path}": text for path, text in PROJECT.items()})
    commit_other = commit(tmp_path, {"other/x": "x"})
    root = tmp_path / "deep/project"
    repository = Repository(root)
    assert toplevel(root) == tmp_path
    assert repository.tracked().keys() == PROJECT.keys()
    assert repository.tree(head).keys() == PROJECT.keys()
    assert repository.head() == commit_other
    write(root, {"app/main.py": "changed", "new": "n"})
    write(tmp_path, {"other/x": "changed", "other/y": "new"})
    assert repository.changed() == ("app/main.py",)
    assert repository.untracked() == ("new",)
    assert repository.read(head, "app/main.py") == b"print('hi')\n"


def test_no_repository_and_no_commit(tmp_path: Path) -> None:
    """Without git there is no top; before the first commit there is no head."""
    assert toplevel(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert toplevel(tmp_path) == tmp_path
    assert toplevel(tmp_path / ".git") is None
    assert Repository(tmp_path).head() == ""
    assert not Repository(tmp_path).tracked()


def test_strange_names_and_modes(tmp_path: Path) -> None:
    """Names with newlines, blanks, umlauts, leading dashes and broken UTF-8 come as they are."""
    names = {"a\nb": "1", " x ": "2", "ü": "3", "--output=x": "4", os.fsdecode(b"\xff"): "5"}
    commit(tmp_path, names | {"link": "-> ü", 'q"uo\tte': "6"})
    (tmp_path / "run.sh").write_text("#!/bin/sh")
    (tmp_path / "run.sh").chmod(0o755)
    commit(tmp_path)
    tracked = Repository(tmp_path).tracked()
    assert tracked.keys() == {*names, "link", 'q"uo\tte', "run.sh"}
    assert tracked["link"].mode == "120000"
    assert tracked["run.sh"].mode == "100755"
    (tmp_path / "--output=x").write_text("changed")
    assert Repository(tmp_path).changed() == ("--output=x",)


def test_files_hidden_from_status_are_known(tmp_path: Path) -> None:
    """assume-unchanged and skip-worktree do not hide a file from us."""
    commit(tmp_path, {"a": "1", "b": "2", "c": "3"})
    git(tmp_path, "update-index", "--assume-unchanged", "a")
    git(tmp_path, "update-index", "--skip-worktree", "b")
    hidden = {p for p, entry in Repository(tmp_path).tracked().items() if entry.hidden}
    assert hidden == {"a", "b"}


@pytest.mark.parametrize("ref", ["nope", "--upload-pack=touch x", "-x", "a b", "", "HEAD:a", "@{u"])
def test_refs_that_are_none(tmp_path: Path, ref: str) -> None:
    """What is no commit is not found, and never an option of git."""
    commit(tmp_path, {"a": "1"})
    with pytest.raises(NotFound):
        Repository(tmp_path).commit(ref)


def test_reading_at_a_ref(tmp_path: Path) -> None:
    """Files are read as they were at a branch, binary ones too; a missing one is named."""
    commit(tmp_path, {"a": "old"})
    (tmp_path / "bin").write_bytes(b"\x00\n\xff" * 1000)
    commit(tmp_path)
    git(tmp_path, "branch", "kept")
    commit(tmp_path, {"a": "new"})
    repository = Repository(tmp_path)
    assert repository.read("kept", "a") == b"old"
    assert repository.read("kept", "bin") == b"\x00\n\xff" * 1000
    with pytest.raises(NotFound, match="nothere does not exist at kept"):
        repository.read("kept", "nothere")
    with pytest.raises(NotFound, match="no object"):
        repository.contents(["0" * 40])


def test_our_environment_does_not_steer_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GIT_DIR and its like, as set within a hook, change nothing."""
    head = commit(tmp_path / "here", {"a": "1"})
    commit(tmp_path / "there", {"b": "1"})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "there/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "there/.git/index"))
    assert Repository(tmp_path / "here").head() == head
    assert set(Repository(tmp_path / "here").tracked()) == {"a"}


def test_nothing_the_repository_names_is_run(tmp_path: Path) -> None:
    """A file system monitor in the repository's configuration is not started."""
    commit(tmp_path, {"a": "1"})
    git(tmp_path, "config", "core.fsmonitor", f"touch {tmp_path}/ran; false")
    Repository(tmp_path).changed()
    Repository(tmp_path).untracked()
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_repository_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git's refusal comes with the one command that mends it, and that command does."""
    commit(tmp_path / "theirs", {"a": "1"})
    os.chown(tmp_path / "theirs", 12345, 12345)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ToolError, match=r"git config --global --add safe\.directory") as caught:
        toplevel(tmp_path / "theirs")
    assert str(tmp_path / "theirs") in caught.value.next
    (tmp_path / ".gitconfig").write_text(f"[safe]\n\tdirectory = {tmp_path}/theirs\n")
    assert toplevel(tmp_path / "theirs") == tmp_path / "theirs"


def test_git_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing git, or a missing folder, is said in a sentence."""
    with pytest.raises(ToolError, match="nowhere does not exist"):
        toplevel(tmp_path / "nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="git is not installed"):
        toplevel(tmp_path)
