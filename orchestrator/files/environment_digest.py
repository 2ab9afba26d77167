"""Which files make an environment what it is, and in which state are they?

Git is not asked: Ansible reads what git ignores too. Links are followed as far as the project goes
(`group_vars -> ../common/group_vars`) and count as the files they lead to, under the link's name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.files.mirror import mirror
from orchestrator.files.tree import (
    IGNORED,
    Entry,
    Hashes,
    Unreadable,
    check_name,
    digest_of,
    read_file,
    shown,
)
from orchestrator.model.definitions import Environment
from orchestrator.model.errors import ReleaseError

_FOLDER = "inventories"
_FORMAT = 1
_EDITORS = ("~", ".swp", ".swo")  # they come and go while somebody looks at a file


def environment_files(
    root: Path, environment: Environment, *, cache: Path | None = None
) -> Mapping[str, Entry]:
    """path below the root -> file: all of `inventories/<env>/`, and what it extends.

    cache: a folder that remembers hashes. Raises ReleaseError with all problems at once.
    """
    real = Path(os.path.realpath(root))
    places, problems = _places(real, environment)
    hashes = Hashes(real / _FOLDER / environment.name, cache)
    files: dict[str, Entry] = {}
    for name, place in sorted(places.items()):
        try:
            check_name(name)
            entry = hashes.entry(str(place))
        except Unreadable as error:
            problems.append(f"{os.fsencode(name).decode(errors='replace')} {error}")
            continue
        if entry is not None:
            files[name] = entry
    if problems:
        raise _failure(environment, problems)
    hashes.save()
    return files


def environment_digest(files: Mapping[str, Entry], secret_versions: Mapping[str, str]) -> str:
    """sha256 in hex. secret_versions: name -> trust.secrets.version_of."""
    return digest_of(
        {"format": _FORMAT, "files": shown(files), "secrets": dict(secret_versions)},
    )


def materialise_environment(
    root: Path, environment: Environment, files: Mapping[str, Entry], folder: Path
) -> int:
    """The folder holds what `inventories/<env>/` does. Returns how many files were written.

    files: of environment_files. Raises ReleaseError where a file changed since.
    """
    own = f"{_FOLDER}/{environment.name}/"
    inside = {path: entry for path, entry in files.items() if path.startswith(own)}
    wanted = {path.removeprefix(own): (e.mode, e.sha256) for path, e in inside.items()}
    places, _ = _places(Path(os.path.realpath(root)), environment)
    by_digest = {entry.sha256: path for path, entry in inside.items()}

    def contents(digest: str) -> bytes:
        path = by_digest[digest]
        try:
            return read_file(places[path].parent, places[path].name)
        except (Unreadable, KeyError) as error:
            raise _failure(environment, [f"{path} changed meanwhile"]) from error

    return mirror(folder, wanted, contents)


def _places(root: Path, environment: Environment) -> tuple[dict[str, Path], list[str]]:
    """Name below the root -> the real file, and the problems. root: without links."""
    own = f"{_FOLDER}/{environment.name}"
    problems: list[str] = []
    if not (root / own).is_dir():
        problems.append(f"{own}/ does not exist")
        return {}, problems
    places = dict(_below(root, own, (), problems))
    for name in environment.files:
        if name not in places:
            places |= dict(_one(root, name, (), problems))
    return places, problems


def _below(
    root: Path, folder: str, above: tuple[Path, ...], problems: list[str]
) -> Iterator[tuple[str, Path]]:
    real = Path(os.path.realpath(root / folder))
    if real in above:
        problems.append(f"{folder} is a link to a folder it lies in")
        return
    try:
        names = sorted(os.listdir(real))
    except OSError as error:
        problems.append(f"{folder} cannot be read: {error.strerror}")
        return
    for name in names:
        if name not in IGNORED and not name.endswith(_EDITORS):
            yield from _one(root, f"{folder}/{name}", (*above, real), problems)


def _one(
    root: Path, name: str, above: tuple[Path, ...], problems: list[str]
) -> Iterator[tuple[str, Path]]:
    real = Path(os.path.realpath(root / name))
    if root not in real.parents:
        problems.append(f"{name} is a link that leaves the project: {real}")
    elif not real.exists():
        problems.append(f"{name} is a link to nothing" if above else f"{name} does not exist")
    elif real.is_dir():
        yield from _below(root, name, above, problems)
    else:
        yield name, real


def _failure(environment: Environment, problems: list[str]) -> ReleaseError:
    listed = "".join(f"\n  - {problem}" for problem in problems)
    return ReleaseError(f"the environment '{environment.name}' cannot be read:{listed}")
