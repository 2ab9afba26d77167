"""Where in a text do the variants of secrets stand, whatever is strewn between their characters?

A text is looked at in up to three ways: without blanks; without blanks and escape sequences;
without blanks and what stands for them in a line of JSON (`\\n`). Patterns have no blanks. The
first way finds every pattern that stands there as it is; the others what colours and wrapping hide.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import ahocorasick

from orchestrator.trust.variants import variants

Span = tuple[int, int]  # [start, end) in characters

_BLANK = re.compile(r"\s+")
_ANSI = re.compile(  # begins with a set of characters: so it is searched for ten times as fast
    r"""[\x1b\x9b] (?:
        (?: (?<=\x9b) | \[) [0-?]* [\ -/]* (?:[@-~] | \Z)           # colours, cursor
      | [\]PX^_] [^\x07\x1b\x9c]* (?:\x07 | \x1b\\ | \x9c | \x1b?\Z)  # titles, links
      | [\ -/]* [0-Z\\^-~]
      | \Z )""",
    re.VERBOSE,
)
_UNSEEN = r"\x00-\x08\x0e-\x1a\x7f\u200b-\u200f\u2060\ufeff"
_UNSEEN_RUN = re.compile(f"[{_UNSEEN}]+")
_ANSI_OR_BLANK = re.compile(rf"\s+ | [{_UNSEEN}]+ | {_ANSI.pattern}", re.VERBOSE)
_MAY_BE_ANSI = re.compile(rf"[{_UNSEEN}\x1b\x9b]")
_WRITTEN = re.compile(
    r"""[\\%] (?:
        (?<=\\) \\* (?: [nrt] | (?: u001[bB] | x1[bB] | 033 | e) \[ [0-9;]* (?:[A-Za-z] | \Z) | \Z)
      | (?<=%) (?: 0[AaDd] | 0? \Z) )""",
    re.VERBOSE,
)
_WRITTEN_OR_BLANK = re.compile(rf"\s+ | {_WRITTEN.pattern}", re.VERBOSE)
_MAY_BE_WRITTEN = re.compile(r"\\(?:[nrtuxe0\\]|\Z)|%(?:0|\Z)")
_NO_BLANKS = {code: None for code in range(128) if chr(code).isspace()}


@dataclass(frozen=True, slots=True)
class Search:
    """All patterns of all secrets, found in one pass."""

    automaton: ahocorasick.Automaton  # pattern -> its length
    shortest: int
    longest: int

    @classmethod
    def over(cls, values: Iterable[str]) -> Search:
        """values: at least one, none of them weak."""
        patterns = {pattern for value in values for pattern in variants(value)}
        automaton = ahocorasick.Automaton()
        for pattern in patterns:
            automaton.add_word(pattern, len(pattern))
        automaton.make_automaton()
        lengths = [len(pattern) for pattern in patterns]
        return cls(automaton, min(lengths), max(lengths))

    def spans(self, text: str) -> list[Span]:
        """Where secrets stand, in order, not overlapping."""
        if len(text) < self.shortest:
            return []
        return list(_merged(sorted(span for way in _ways(text) for span in self._hits(text, way))))

    def open_at(self, text: str) -> int:
        """From where on the text may be the beginning of a secret that goes on; else its length."""
        return min(self._open_at(text, way) for way in _ways(text))

    def _hits(self, text: str, way: Way) -> list[Span]:
        solid = way.solid(text)
        hits = [(end - length + 1, end) for end, length in self.automaton.iter(solid)]
        if not hits:
            return []
        places = _Places(text, way.left_out)
        return [(places.of(start), places.of(end) + 1) for start, end in hits]

    def _open_at(self, text: str, way: Way) -> int:
        start = self._tail_start(text, way)
        tail = text[start:]
        solid = way.solid(tail)
        for index in range(max(0, len(solid) - self.longest + 1), len(solid)):
            first = solid[index : index + 16]
            if self.automaton.match(first) and self.automaton.match(solid[index:]):
                return start + _Places(tail, way.left_out).of(index)
        return len(text)

    def _tail_start(self, text: str, way: Way) -> int:
        """A place with at least `longest` characters behind it that count, or 0."""
        width = 2 * self.longest
        while width < len(text):
            if len(way.solid(text[-width:])) >= self.longest:
                return len(text) - width
            width *= 2
        return 0


@dataclass(frozen=True, slots=True)
class Way:
    """One way to look at a text."""

    worth: Callable[[str], object]  # whether this way can find more than the first
    solid: Callable[[str], str]  # the text without what is left out, as fast as can be
    left_out: re.Pattern[str]


def _without_blanks(text: str) -> str:
    """What _BLANK.sub gives, 20 times as fast."""
    return text.translate(_NO_BLANKS) if text.isascii() else "".join(text.split())


def _without_ansi(text: str) -> str:
    return _without_blanks(_UNSEEN_RUN.sub("", _ANSI.sub("", text)))


def _without_written(text: str) -> str:
    return _without_blanks(_WRITTEN.sub("", text))


WAYS = (
    Way(lambda _: True, _without_blanks, _BLANK),
    Way(_MAY_BE_ANSI.search, _without_ansi, _ANSI_OR_BLANK),
    Way(_MAY_BE_WRITTEN.search, _without_written, _WRITTEN_OR_BLANK),
)


def _ways(text: str) -> Iterator[Way]:
    return (way for way in WAYS if way.worth(text))


class _Places:
    """Where in a text each character stands that is not left out."""

    def __init__(self, text: str, left_out: re.Pattern[str]) -> None:
        self._solid = [0]  # at these characters of what is left …
        self._text = [0]  # … a run begins here in the text
        for match in left_out.finditer(text):
            self._solid.append(self._solid[-1] + match.start() - self._text[-1])
            self._text.append(match.end())

    def of(self, index: int) -> int:
        run = bisect_right(self._solid, index) - 1
        return self._text[run] + index - self._solid[run]


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    current: Span | None = None
    for start, end in spans:
        if current is not None and start < current[1]:
            current = (current[0], max(current[1], end))
        else:
            if current is not None:
                yield current
            current = (start, end)
    if current is not None:
        yield current
