"""What does git know about the project? The `git` program, and only reading.

No variable of ours that steers git (GIT_DIR of a hook, GIT_CONFIG_…) reaches it, and nothing the
repository configures is started besides its content filters.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.model.errors import NotFound, ToolError

SUBMODULE = "160000"
_PASSED = (
    "PATH",
    "HOME",  # safe.directory is configured there
    "XDG_CONFIG_HOME",
    "SUDO_UID",  # git lets root read the repository of whoever called sudo
)
_OURS = {
    "LC_ALL": "C",  # errors are told apart by their text
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "https:ssh",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
}
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_REF = re.compile(r"[\w./@{}^~+-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    mode: str  # "100644", "100755", "120000" or SUBMODULE
    hidden: bool  # assume-unchanged or skip-worktree: git status says nothing about this file


@dataclass(frozen=True, slots=True)
class Repository:
    """Git as seen from a folder of a work tree; all paths are relative to that folder."""

    root: Path

    def head(self) -> str:
        """The commit checked out, or an empty string before the first one."""
        done = _run(self.root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", may_fail=True)
        return _text(done.stdout).strip() if done.returncode == 0 else ""

    def tracked(self) -> Mapping[str, Tracked]:
        """Every path in the index below the folder."""
        found: dict[str, Tracked] = {}
        for line in _listed(self.root, "ls-files", "-s", "-v", "-z"):
            head, _, path = line.partition("\t")
            tag, mode, *_ = head.split(" ")
            found[path] = Tracked(mode=mode, hidden=tag.islower() or tag == "S")
        return found

    def untracked(self) -> tuple[str, ...]:
        """Paths neither tracked nor ignored; a repository of its own ends in `/`."""
        return _listed(self.root, "ls-files", "--others", "--exclude-standard", "-z")

    def changed(self) -> tuple[str, ...]:
        """Tracked paths below the folder that differ from the commit, relative to it."""
        prefix = _text(_run(self.root, "rev-parse", "--show-prefix").stdout).rstrip("\n")
        options = ("--porcelain=v1", "-z", "--untracked-files=no", "--no-renames")
        lines = _listed(self.root, "status", *options, "--ignore-submodules=none", "--", ".")
        return tuple(line[3:].removeprefix(prefix) for line in lines)

    def commit(self, ref: str) -> str:
        """The commit a ref stands for. Raises NotFound."""
        if _REF.fullmatch(ref):
            argv = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
            done = _run(self.root, *argv, may_fail=True)
            if done.returncode == 0:
                return _text(done.stdout).strip()
        raise NotFound(f"git in {self.root} knows no commit {ref!r}")

    def tree(self, ref: str) -> Mapping[str, tuple[str, str]]:
        """path -> (mode, object id) of every file below the folder at a ref. Raises NotFound."""
        found: dict[str, tuple[str, str]] = {}
        for line in _listed(self.root, "ls-tree", "-r", "-z", self.commit(ref)):
            head, _, path = line.partition("\t")
            mode, _, object_id = head.split(" ")
            found[path] = (mode, object_id)
        return found

    def read(self, ref: str, path: str) -> bytes:
        """A file's content at a ref. Raises NotFound."""
        entry = self.tree(ref).get(path)
        if entry is None:
            raise NotFound(f"{path} does not exist at {ref}")
        return self.contents([entry[1]])[entry[1]]

    def contents(self, object_ids: Iterable[str]) -> Mapping[str, bytes]:
        """The bytes of blobs, in one call of git."""
        asked = "".join(f"{object_id}\n" for object_id in object_ids).encode()
        answer = _run(self.root, "cat-file", "--batch", given=asked).stdout
        return _blobs(answer)


def toplevel(path: Path) -> Path | None:
    """The root of the work tree a folder lies in, or None.

    Raises ToolError where git is missing or refuses a repository of somebody else.
    """
    done = _run(path, "rev-parse", "--show-toplevel", may_fail=True)
    if done.returncode == 0:
        return Path(_text(done.stdout).removesuffix("\n"))
    if b"not a git repository" in done.stderr or b"must be run in a work tree" in done.stderr:
        return None
    raise _failure(path, done)


def _listed(root: Path, *argv: str) -> tuple[str, ...]:
    return tuple(_text(_run(root, *argv).stdout).split("\0")[:-1])


def _run(
    root: Path, *argv: str, given: bytes = b"", may_fail: bool = False
) -> subprocess.CompletedProcess[bytes]:
    environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
    command: Sequence[str] = (*_GIT, *argv)
    try:
        done = subprocess.run(
            command, cwd=root, input=given, capture_output=True, env=environment | _OURS
        )
    except FileNotFoundError as error:
        if not root.is_dir():
            raise ToolError(f"the folder {root} does not exist") from error
        raise ToolError("git is not installed", next="Run: apt-get install git") from error
    except OSError as error:
        raise ToolError(f"git cannot be started in {root}: {error.strerror}") from error
    if done.returncode != 0 and not may_fail:
        raise _failure(root, done)
    return done


def _failure(root: Path, done: subprocess.CompletedProcess[bytes]) -> ToolError:
    said = _text(done.stderr).strip()
    owner = re.search(r"dubious ownership in repository at '(.*)'", said)
    if owner:
        return ToolError(
            f"git does not read {owner[1]}, since somebody else owns it",
            next=f"If you trust it, run: git config --global --add safe.directory {owner[1]}",
        )
    return ToolError(f"git failed in {root}: {said or f'exit code {done.returncode}'}")


def _blobs(answer: bytes) -> Mapping[str, bytes]:
    """What `cat-file --batch` wrote: `<id> <type> <size>\\n<bytes>\\n` for each."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        words = answer[at:end].decode().split(" ")
        if len(words) != 3:
            raise NotFound(f"git has no object {words[0]}")
        start, size = end + 1, int(words[2])
        found[words[0]] = answer[start : start + size]
        at = start + size + 1
    return found


def _text(raw: bytes) -> str:
    return os.fsdecode(raw)
