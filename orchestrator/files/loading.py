"""Which definition files does a project have, and what stands in each, before they are compared?

Every file is read, however wrong the others are; problems gather in the Reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from orchestrator.files.complaints import checked
from orchestrator.files.sources import Path, Source, Sources
from orchestrator.files.trees import with_references
from orchestrator.files.words import did_you_mean, shown
from orchestrator.files.yaml_reader import Document, decoded, read
from orchestrator.model.errors import DefinitionError
from orchestrator.model.positions import Position, Problem

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
_WITH_REFERENCES = ("Pipeline", "Environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(Generic[T]):
    """A definition, the document it was made of, and what was left out of it as wrong."""

    value: T
    document: Document
    file: str
    left_out: frozenset[Path] = frozenset()

    def is_whole(self, *path: str) -> bool:
        """Whether nothing at a path, above it or inside it was left out."""
        return not any(p == path[: len(p)] or path == p[: len(path)] for p in self.left_out)


@dataclass(slots=True, kw_only=True)
class Reading:
    """One pass over a project's files."""

    root: FilePath
    sources: Sources = field(default_factory=Sources)
    problems: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)  # files of which something could not be read
    _doubtful: set[Position] = field(default_factory=set)

    def complain(self, problems: Iterable[Problem]) -> None:
        """Remembers problems, but for those that only follow from how a value is written."""
        for problem in problems:
            if problem.message and problem.position not in self._doubtful:
                self.problems.append(self.sources.completed(problem))

    def documents(self, file: str, root: FilePath | None = None) -> tuple[Document, ...]:
        """The documents of a file; of none where it cannot be read, which is a problem then."""
        source = self._source(file, root or self.root)
        if source is None:
            self.broken.add(file)
            return ()
        documents, problems = read(source)
        if problems:
            self.broken.add(file)
        self.complain(problems)
        self._doubtful.update(p.position for p in problems if p.position)
        placed = []
        for document in documents:
            if _kind(document) in (*_WITH_REFERENCES, None):
                document, malformed = with_references(document, source)
                self.complain(malformed)
            placed.append(document)
        return tuple(placed)

    def kind(self, document: Document, allowed: Iterable[str]) -> str:
        """What kind of definition a document is; empty, with a problem, where it is none here."""
        at = document.place(("kind",))
        if not isinstance(document.data, Mapping):
            message = (
                f"a definition must be a map with apiVersion and kind, not {shown(document.data)}"
            )
            self.broken.add(at.value.file)
            self.complain([Problem(message=message, position=at.value)])
            return ""
        kind, kinds = document.data.get("kind"), list(allowed)
        if kind in kinds:
            return str(kind)
        self.broken.add(at.value.file)
        expected = " or ".join(kinds)
        if kind is None:
            message, help = "key 'kind' is missing", f"this file holds kind: {expected}"
        else:
            message = f"'kind' must be {expected} here, not {shown(kind)}"
            help = did_you_mean(str(kind), kinds) if isinstance(kind, str) else ""
            help = help if "?" in help else ""
        self.complain([Problem(message=message, position=at.value, help=help)])
        return ""

    def checked(self, document: Document, keys: type[M], whole: str) -> Loaded[M] | None:
        """The document as its kind, as far as it is right."""
        value, problems, left_out = checked(document, keys, whole)
        self.complain(problems)
        if value is None:
            return None
        file = document.place(()).value.file
        return Loaded(value=value, document=document, file=file, left_out=left_out)

    def _source(self, file: str, root: FilePath) -> Source | None:
        try:
            source = decoded(file, (root / file).read_bytes())
        except DefinitionError as error:
            self.complain(error.problems)
            return None
        except OSError as error:
            at = Position(file=file, line=1, column=1)
            reason = error.strerror or "it cannot be read"
            message = f"{file} cannot be read: {reason}"
            self.complain([Problem(message=message, position=at)])
            return None
        return self.sources.add(source)


def with_left_out(loaded: Loaded[Any], value: T, more: frozenset[Path]) -> Loaded[T]:
    """The same document as another value."""
    return replace(loaded, value=value, left_out=loaded.left_out | more)


def _kind(document: Document) -> Any:
    return document.data.get("kind") if isinstance(document.data, Mapping) else None
