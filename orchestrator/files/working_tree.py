"""Which files does the user see, and is all of it committed?

Contents come from the working tree, and files that git neither tracks nor ignores count as well.
Without git every file counts but those with IGNORED names. Untracked virtualenvs never do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from orchestrator.files import git
from orchestrator.files.tree import IGNORED, LINK, Entry, paths_not_under_links, walk
from orchestrator.model.errors import ReleaseError

LEFT_OUT = ("inventories/", "policies/")
_VIRTUALENV = "/pyvenv.cfg"
_SHOWN = 30  # problems listed; an error that scrolls away helps nobody


@dataclass(frozen=True, slots=True)
class Look:
    """A project's files for a release, before anything is read."""

    paths: tuple[str, ...]  # relative to the root, sorted; without LEFT_OUT
    commit: str  # empty without git, or before the first commit
    why_dirty: str  # empty where all of it is committed


def look(root: Path) -> Look:
    """What is there now. Raises ReleaseError, and ToolError where git does not answer."""
    if git.toplevel(root) is not None:
        repository = git.Repository(root)
        listed = _Listed()
        _list(repository, "", listed)
        if listed.problems:
            raise failure(listed.problems)
        if listed.paths:  # none: an outer repository ignores the whole project
            commit = repository.head()
            why_dirty = _why_dirty(repository, commit, listed)
            return Look(_in_release(root, listed.paths), commit, why_dirty)
    return Look(_in_release(root, set(_without_virtualenvs(_walked(root)))), "", "no git")


def link_problems(root: Path, files: Mapping[str, Entry]) -> list[str]:
    """Links that would lead elsewhere, or nowhere, in a copy of the release; one sentence each."""
    links = [path for path, entry in files.items() if entry.mode == LINK]
    if not links:
        return []
    inside = Path(os.path.realpath(root))
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    problems: list[str] = []
    for path in links:
        target = os.readlink(root / path)
        lexical = os.path.normpath(os.path.join(os.path.dirname(path), target))
        real = Path(os.path.realpath(root / path))
        if os.path.isabs(target) or lexical.split("/")[0] == ".." or not _is_below(real, inside):
            problems.append(f"{path} is a link that leaves the project: {target}")
            continue
        name = real.relative_to(inside).as_posix()
        if real.exists() and name not in files and name not in folders:
            problems.append(f"{path} is a link to {name}, which is not part of a release")
    return problems


def _is_below(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def failure(problems: list[str]) -> ReleaseError:
    """One error that names all problems."""
    lines = problems[:_SHOWN]
    if len(problems) > _SHOWN:
        lines.append(f"… and {len(problems) - _SHOWN} more")
    listed = "".join(f"\n  - {line}" for line in lines)
    return ReleaseError(f"a release of this project cannot be made:{listed}")


@dataclass(slots=True)
class _Listed:
    paths: set[str] = field(default_factory=set)
    untracked: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)  # from git status
    problems: list[str] = field(default_factory=list)


def _why_dirty(repository: git.Repository, commit: str, listed: _Listed) -> str:
    if not commit:
        return "nothing is committed yet"
    changed = [path for path in repository.changed() if not path.startswith(LEFT_OUT)]
    reasons = (
        _reason("is not tracked by git", "are not tracked by git", listed.untracked),
        _reason("differs from the commit", "differ from the commit", changed),
        _reason("is hidden from git status", "are hidden from git status", listed.hidden),
    )
    return "; ".join(filter(None, reasons))


def _list(repository: git.Repository, prefix: str, listed: _Listed) -> None:
    """Adds all paths of a repository, and of its submodules and whatever repositories lie in it."""
    inner: list[str] = []
    for path, entry in repository.tracked().items():
        if entry.mode == git.SUBMODULE:
            inner.append(path)
        elif not (prefix + path).startswith(LEFT_OUT):  # what is tracked counts, whatever its name
            listed.paths.add(prefix + path)
            if entry.hidden:
                listed.hidden.append(prefix + path)
    for path in _without_virtualenvs(repository.untracked()):
        if not _counts_untracked(prefix + path):
            continue
        listed.untracked.append(prefix + path)
        if path.endswith("/"):
            inner.append(path.rstrip("/"))
        else:
            listed.paths.add(prefix + path)
    for path in inner:
        _list_inner(repository, path, prefix, listed)


def _list_inner(repository: git.Repository, path: str, prefix: str, listed: _Listed) -> None:
    if (prefix + path).startswith(LEFT_OUT):
        return
    if (repository.root / path / ".git").exists():
        _list(git.Repository(repository.root / path), f"{prefix}{path}/", listed)
        return
    listed.problems.append(
        f"{prefix}{path} is a submodule that is not checked out;"
        " run: git submodule update --init --recursive"
    )


def _counts_untracked(path: str) -> bool:
    return not path.startswith(LEFT_OUT) and IGNORED.isdisjoint(path.rstrip("/").split("/"))


def _without_virtualenvs(paths: Iterable[str]) -> Iterator[str]:
    """They are made for one machine and full of links that leave the project."""
    found = tuple(paths)
    folders = [path.removesuffix(_VIRTUALENV) for path in found if path.endswith(_VIRTUALENV)]
    starts = tuple(f"{folder}/" for folder in folders)
    return (path for path in found if not path.startswith(starts))


def _walked(root: Path) -> Iterator[str]:
    try:
        yield from walk(root)
    except OSError as error:
        raise ReleaseError(
            f"a release cannot be made: {error.filename} cannot be read: {error.strerror}"
        ) from error


def _in_release(root: Path, paths: set[str]) -> tuple[str, ...]:
    kept = sorted(path for path in paths if not path.startswith(LEFT_OUT))
    return tuple(paths_not_under_links(root, kept))


def _reason(one: str, many: str, paths: list[str]) -> str:
    if not paths:
        return ""
    names = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return f"{names} {one if len(paths) == 1 else many}"
