"""What does a YAML file say, and where does each of its values stand?

PyYAML's events, by the C parser where it is there, built into plain data by a strict constructor
of our own: YAML 1.2 core scalars, no tags, anchors, aliases, merge keys or duplicate keys. Building
from events, with a limit on depth, keeps alias bombs and deep nesting harmless (reference
interfaces, section 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from orchestrator.files.sources import Path, Place, Source
from orchestrator.files.yaml_hints import braces_help, syntax_help
from orchestrator.files.yaml_scalars import DoubtfulScalar, plain_value
from orchestrator.model.errors import DefinitionError
from orchestrator.model.positions import Position, Problem

DEEPEST = 64
LARGEST = 1_000_000  # bytes
_MOST_PROBLEMS = 100  # of one file: enough to mend, and no flood
_NOWHERE = -1  # path element of what is read over
_BRACES = re.compile(r"\{+\s*([^}]*?)\s*\}")
_WORD = re.compile(r"\S+")

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document: plain data, and the place of every value in it by its path."""

    data: Any
    places: dict[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place:
        """Where a value stands, or else the nearest that holds it."""
        while path not in self.places and path:
            path = path[:-1]
        return self.places[path]


def decoded(file: str, raw: bytes) -> Source:
    """A file's text. Raises DefinitionError where it is too large or not UTF-8."""
    if len(raw) > LARGEST:
        at = Position(file=file, line=1, column=1)
        raise DefinitionError([Problem(message="the file is larger than 1 MB", position=at)])
    try:
        return Source(file, raw.decode())
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        source = Source(file, before)
        problem = Problem(
            message="the file is not UTF-8 text",
            position=source.at(len(source.text)),
            help="save it as UTF-8",
        )
        raise DefinitionError([problem]) from error


def read(source: Source) -> tuple[tuple[Document, ...], tuple[Problem, ...]]:
    """The documents of a file, and everything wrong with it as YAML.

    Where something is wrong the data holds the best guess, so that reading can go on and all
    problems be told at once; after a syntax error only the documents before it are there.
    """
    builder = _Builder(source)
    documents = tuple(builder.documents())
    return documents, tuple(builder.problems)


class _Stop(Exception):
    """Nothing more can be read."""


class _Builder:
    def __init__(self, source: Source) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._places: dict[Path, Place] = {}

    def documents(self) -> Iterator[Document]:
        if found := _UNPRINTABLE.search(self._source.text):
            code = f"U+{ord(found[0]):04X}"
            self._complain(f"the character {code} is not allowed", found.start(), 1)
            return
        events: Iterator[Any] = iter(yaml.parse(self._source.text, Loader=_LOADER))
        try:
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    self._places = {}
                    data = self._value(next(events), events, (), None)
                    yield Document(data=data, places=self._places)
        except _Stop:
            return
        except yaml.YAMLError as error:
            self._syntax(error)

    def _value(self, event: Any, events: Iterator[Any], path: Path, key: Position | None) -> Any:
        start, end = event.start_mark.index, event.end_mark.index
        if len(path) > DEEPEST:
            self._complain(f"nested deeper than {DEEPEST} levels", start, 1)
            raise _Stop
        self._refuse_extras(event)
        length = self._written(start, end) if isinstance(event, yaml.ScalarEvent) else 1
        self._places[path] = Place(key=key, value=self._source.at(start, length))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return self._scalar(event, start, length)

    def _mapping(self, events: Iterator[Any], path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            name, at = self._key(event, events, path)
            if name not in data:
                data[name] = self._value(next(events), events, (*path, name), at)
                continue
            first = self._places[(*path, name)].named.line  # the first one stays
            self._value(next(events), events, (*path, _NOWHERE), at)
            index, length = self._source.index(at), self._source.length(at)
            help = f"the first one is on line {first}"
            self._complain(f"key '{name}' stands here twice", index, length, help)
        return data

    def _key(self, event: Any, events: Iterator[Any], path: Path) -> tuple[str, Position]:
        start, end = event.start_mark.index, event.end_mark.index
        if not isinstance(event, yaml.ScalarEvent):
            return self._no_key(event, events, path)
        self._refuse_extras(event)
        length = self._written(start, end)
        if event.value == "<<" and event.implicit[0]:
            self._complain("merge keys ('<<') are not read", start, length, "write the keys out")
        elif event.value == "" and event.implicit[0]:
            self._complain("a key is missing before ':'", start, 1)
        elif "${{" in event.value:
            self._complain("a key cannot hold a reference", start, length)
        return event.value, self._source.at(start, length)

    def _no_key(self, event: Any, events: Iterator[Any], path: Path) -> tuple[str, Position]:
        """Reads over a key that is a collection, complaining only about the key itself."""
        start, count = event.start_mark.index, len(self.problems)
        self._value(event, events, (*path, _NOWHERE), None)
        del self.problems[count:]
        braces = _BRACES.match(self._source.text, start)
        help = braces_help(braces[1]) if braces else ""
        self._complain("a key must be text, not a map, a list or an alias", start, 1, help)
        return f"<{start}>", self._source.at(start, 1)

    def _sequence(self, events: Iterator[Any], path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._value(event, events, (*path, len(items)), None))
        return items

    def _scalar(self, event: Any, start: int, length: int) -> Any:
        if not isinstance(event, yaml.ScalarEvent):  # an alias, complained about already
            return None
        if not event.implicit[0]:
            return event.value
        try:
            return plain_value(event.value)
        except DoubtfulScalar as doubt:
            self._complain(doubt.message, start, length, doubt.help)
            return doubt.guess

    def _refuse_extras(self, event: Any) -> None:
        start, name = event.start_mark.index, event.anchor
        if isinstance(event, yaml.AliasEvent):
            help = "write the value out; environments share parts by 'extends'"
            self._complain(f"alias '*{name}' is not read", start, len(name) + 1, help)
            return
        if name:
            help = "write the value out where it is needed"
            self._complain(f"anchor '&{name}' is not read", start, len(name) + 1, help)
        if event.tag:
            word = _WORD.match(self._source.text, start)
            written = word[0] if word else ""
            help = "leave it out; quote the value to make it text"
            self._complain(f"tag '{written}' is not read", start, len(written), help)

    def _written(self, start: int, end: int) -> int:
        """How many characters of the first line a scalar takes, at least 1."""
        return max(1, len(self._source.text[start:end].split("\n", 1)[0].rstrip()))

    def _syntax(self, error: yaml.YAMLError) -> None:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        index = min(mark.index, len(self._source.text)) if mark else 0
        at = self._source.at(index)
        lines = [at.line]
        if context := getattr(error, "context_mark", None):
            lines.append(self._source.at(context.index).line)
        lines.append(max(1, at.line - 1))
        help = next((h for n in lines if (h := syntax_help(self._source.line(n)))), "")
        why = getattr(error, "problem", None) or "cannot be parsed"
        self._complain(f"not valid YAML: {why}", index, 1, help)

    def _complain(self, message: str, index: int, length: int, help: str = "") -> None:
        at = self._source.at(index)
        self.problems.append(
            Problem(
                message=message,
                position=at,
                length=max(1, length),
                source=self._source.line(at.line),
                help=help,
            )
        )
        if len(self.problems) >= _MOST_PROBLEMS:
            raise _Stop
