"""What does an environment say once all it extends is merged in?

Key by key: of two maps at the top of an environment (vars, secrets, credentials, …) the keys are
joined, anything deeper or of another kind is taken whole. Nearest wins: the environment's own
file, then the last of `extends`, then the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from pathlib import PurePosixPath
from posixpath import normpath

from orchestrator.files.complaints import checked, without
from orchestrator.files.kinds.environment import SharedKeys
from orchestrator.files.loading import Reading
from orchestrator.files.sources import Path, Place
from orchestrator.files.words import did_you_mean
from orchestrator.files.yaml_reader import Document
from orchestrator.model.positions import Problem

_EXTENDS: Path = ("extends",)  # left out: anything may be missing
_HEADER = ("apiVersion", "kind")
_OF_ONE_FILE = ("extends", "name")


def extended(
    document: Document, file: str, reading: Reading, root: FilePath
) -> tuple[Document, tuple[str, ...], frozenset[Path]]:
    """The document with all it extends merged in, the files it came from, and what was left out.

    An entry of `extends` is looked for beside the file that names it, then in inventories/. What
    leaves the project, is missing or extends itself is a problem of the reading.
    """
    extending = _Extending(reading, root)
    merged, files = extending.document(document, file, (file,))
    return merged, files, frozenset(extending.left_out)


class _Extending:
    def __init__(self, reading: Reading, root: FilePath) -> None:
        self.left_out: set[Path] = set()
        self._reading = reading
        self._root = root

    def document(
        self, document: Document, file: str, chain: tuple[str, ...]
    ) -> tuple[Document, tuple[str, ...]]:
        merged, files = Document(data={}), [file]
        entries = document.data.get("extends", [])
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            if not isinstance(entry, str):
                continue  # told when the document is checked
            found = self._found(entry, file, chain, document.place(("extends", index)))
            if found:
                part, of_part = self._part(found, (*chain, found))
                merged = _merged(part, merged)
                files.extend(name for name in of_part if name not in files)
        return _merged(document, merged, keep=True), tuple(files)

    def _found(self, entry: str, file: str, chain: tuple[str, ...], at: Place) -> str:
        """The file an entry names, relative to the root; empty, with a problem, if none."""
        beside = normpath(PurePosixPath(file).parent / entry)
        shared = normpath(PurePosixPath("inventories") / entry)
        candidates = list(dict.fromkeys((beside, shared)))
        inside = [name for name in candidates if self._is_inside(name)]
        found = next((name for name in inside if (self._root / name).is_file()), "")
        help = ""
        if not inside:
            message = f"'{entry}' is outside the project"
            help = "environments may share only files of the project"
        elif not found:
            near = did_you_mean(PurePosixPath(entry).name, self._shared_names())
            message = f"'{entry}' does not exist; looked for {' and '.join(inside)}"
            help = near if "?" in near else ""
        elif found in chain:
            circle = [*chain[chain.index(found) :], found]
            message = f"'{entry}' extends itself: {' -> '.join(circle)}"
        else:
            return found
        self._reading.complain([Problem(message=message, position=at.value, help=help)])
        self.left_out.add(_EXTENDS)
        return ""

    def _is_inside(self, name: str) -> bool:
        if PurePosixPath(name).is_absolute() or name.startswith(".."):
            return False
        return (self._root / name).resolve().is_relative_to(self._root.resolve())

    def _shared_names(self) -> list[str]:
        return sorted(path.name for path in (self._root / "inventories").glob("*.yaml"))

    def _part(self, file: str, chain: tuple[str, ...]) -> tuple[Document, tuple[str, ...]]:
        """A shared part, already merged with what it extends itself."""
        documents = self._reading.documents(file, self._root)
        if file in self._reading.broken:
            self.left_out.add(_EXTENDS)
        if len(documents) != 1 or not isinstance(documents[0].data, Mapping):
            if documents:
                at = documents[-1].place(()).value
                problem = Problem(message=f"{file} must hold one map of shared keys", position=at)
                self._reading.complain([problem])
            return Document(data={}), (file,)
        document = documents[0]
        bare = Document(
            data={k: v for k, v in document.data.items() if k not in _HEADER},
            places=document.places,
        )
        _, problems, left_out = checked(bare, SharedKeys, file)
        self._reading.complain(problems)
        self.left_out |= left_out
        if left_out:
            bare = _cleaned(bare, left_out)
        return self.document(bare, file, chain)


def _cleaned(document: Document, left_out: frozenset[Path]) -> Document:
    return Document(data=without(document.data, left_out), places=document.places)


def _merged(upper: Document, lower: Document, *, keep: bool = False) -> Document:
    """Both as one, `upper` winning; its own name and `extends` stay only where `keep` says so."""
    data, places = dict(lower.data), dict(lower.places)
    for key, value in upper.data.items():
        if key in _OF_ONE_FILE and not keep:
            continue
        below = data.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            data[key] = {**below, **value}
            _replace_places(places, upper.places, [(key, inner) for inner in value])
            places[(key,)] = upper.places[(key,)]
        else:
            data[key] = value
            _replace_places(places, upper.places, [(key,)])
    if () in upper.places:
        places[()] = upper.places[()]
    return Document(data=data, places=places)


def _replace_places(places: dict[Path, Place], by: Mapping[Path, Place], paths: list[Path]) -> None:
    """The places at and below the paths are those of the other document."""
    for path in paths:
        for old in [known for known in places if known[: len(path)] == path]:
            del places[old]
        places.update({p: place for p, place in by.items() if p[: len(path)] == path})
