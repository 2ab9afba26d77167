"""What stands where in a definition file? Text, lines, and the length of what begins at a place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator.model.positions import Position, Problem

_HIDDEN = "*****"
Path = tuple[str | int, ...]
"""Keys and list indexes from the top of a document to a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one value of a document stands; `key` is None in lists and at the top."""

    key: Position | None
    value: Position

    @property
    def named(self) -> Position:
        """The key where there is one: what a reader looks for."""
        return self.key or self.value


class Source:
    """One file's text, with line breaks made `\\n`."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        self._starts = [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]
        self._lengths: dict[tuple[int, int], int] = {}

    def at(self, index: int, length: int = 0) -> Position:
        """The position of a character; its length is remembered for the caret where given."""
        line = bisect_right(self._starts, index)
        position = Position(file=self.file, line=line, column=index - self._starts[line - 1] + 1)
        if length:
            self._lengths[position.line, position.column] = length
        return position

    def index(self, position: Position) -> int:
        return self._starts[position.line - 1] + position.column - 1

    def line(self, number: int) -> str:
        """The text of a line, counted from 1; empty beyond the end."""
        if number > len(self._starts):
            return ""
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:end]

    def length(self, position: Position) -> int:
        """Characters that what stands there takes on its line; 1 where that is not known."""
        rest = len(self.line(position.line)) - position.column + 1
        return max(1, min(self._lengths.get((position.line, position.column), 1), rest))


class Sources:
    """All files that were read, by their name relative to the project's root."""

    def __init__(self) -> None:
        self._files: dict[str, Source] = {}

    def add(self, source: Source) -> Source:
        self._files[source.file] = source
        return source

    def completed(self, problem: Problem) -> Problem:
        """The problem with its source line, and its caret's length, filled in."""
        position = problem.position
        source = self._files.get(position.file) if position else None
        if position is None or source is None:
            return problem
        if problem.private:
            return _hidden(replace(problem, source=source.line(position.line)), position.column)
        length = problem.length if problem.length > 1 else source.length(position)
        return replace(problem, source=source.line(position.line), length=length)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems by file and place, those without a place first, each once.

    What one of them keeps private on a line, the others of that line do not show either.
    """
    found = sorted(dict.fromkeys(problems), key=_place_of)
    private: dict[tuple[str, int], int] = {}
    for problem in found:
        if problem.private:
            private.setdefault(_place_of(problem)[:2], _place_of(problem)[2])
    return tuple(
        _hidden(problem, private[line]) if (line := _place_of(problem)[:2]) in private else problem
        for problem in found
    )


def _hidden(problem: Problem, column: int) -> Problem:
    """Without what its line holds from that column on."""
    return replace(problem, source=problem.source[: column - 1] + _HIDDEN, length=len(_HIDDEN))


def _place_of(problem: Problem) -> tuple[str, int, int]:
    at = problem.position
    return (at.file, at.line, at.column) if at else ("", 0, 0)
