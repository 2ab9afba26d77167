"""Where in a document are references, and where in the file does each stand?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.core.references import ReferenceProblem, parse_text
from orchestrator.files.sources import Path, Source
from orchestrator.files.yaml_reader import Document
from orchestrator.model.positions import Position, Problem
from orchestrator.model.values import Reference, Text

_OPEN = re.compile(r"(\$?)\$\{\{\s*")


def with_references(document: Document, source: Source) -> tuple[Document, tuple[Problem, ...]]:
    """The document with every `${{ … }}` parsed, and the malformed ones.

    A malformed text becomes an empty string, so that reading can go on.
    """
    reading = _Reading(document, source)
    data = reading.tree(document.data, ())
    return replace(document, data=data), tuple(reading.problems)


class _Reading:
    def __init__(self, document: Document, source: Source) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._source = source

    def tree(self, data: Any, path: Path) -> Any:
        if isinstance(data, Mapping):
            return {key: self.tree(item, (*path, key)) for key, item in data.items()}
        if isinstance(data, list):
            return [self.tree(item, (*path, index)) for index, item in enumerate(data)]
        if isinstance(data, str) and "${{" in data:
            return self._text(data, self._document.place(path).value)
        return data

    def _text(self, text: str, at: Position) -> str | Reference | Text:
        try:
            parsed = parse_text(text, at)
        except ReferenceProblem as problem:
            self._complain(problem, text, at)
            return ""
        if isinstance(parsed, Reference):
            return self._placed(parsed, 0, at)
        if isinstance(parsed, Text):
            return self._placed_text(parsed, at)
        return parsed

    def _placed_text(self, text: Text, at: Position) -> Text:
        parts: list[Any] = []
        for part in text.parts:
            count = sum(isinstance(known, Reference) for known in parts)
            parts.append(self._placed(part, count, at) if isinstance(part, Reference) else part)
        return Text(parts=tuple(parts))

    def _placed(self, reference: Reference, number: int, at: Position) -> Reference:
        """The reference where it really stands, whatever quotes and line breaks come before it."""
        opens = [found for found in self._opens(at, number) if not found[1]]
        index = opens[number].end() if number < len(opens) else self._source.index(at)
        return replace(reference, position=self._source.at(index, len(str(reference))))

    def _complain(self, problem: ReferenceProblem, text: str, at: Position) -> None:
        number = len(_OPEN.findall(text[: problem.offset]))
        opens = self._opens(at, number)
        index = opens[number].start() if number < len(opens) else self._source.index(at)
        position = self._source.at(index, problem.length)
        self.problems.append(
            Problem(
                message=problem.message,
                position=position,
                length=self._source.length(position),
                source=self._source.line(position.line),
                help=problem.help,
            )
        )

    def _opens(self, at: Position, number: int) -> list[re.Match[str]]:
        """The first `${{` from a place on, escaped ones included, enough to hold that many."""
        found: list[re.Match[str]] = []
        plain = -1
        for match in _OPEN.finditer(self._source.text, self._source.index(at)):
            found.append(match)
            plain += not match[1]
            if plain >= number and len(found) > number:
                break
        return found
