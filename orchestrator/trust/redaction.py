"""Which parts of a text are secret? Everything a tool says passes here before anything is stored.

Caught: each known value as it is, in the encodings of `variants`, wrapped or spread over lines,
with colours inside, cut by reads at any place. Not caught: values cut in two by other text,
compressed, encrypted or encoded in ways not listed there, and values too weak to be searched for.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import ahocorasick

from orchestrator.model.values import Json
from orchestrator.trust.variants import variants, why_weak

MASK = "*****"
_DEEPEST = 200  # levels of JSON; what is deeper is masked whole
_LARGEST_HELD = 1024 * 1024  # characters a stream holds back at most, e.g. of blank lines
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
_LEFT_OUT = re.compile(rf"\s+ | [{_UNSEEN}]+ | {_ANSI.pattern}", re.VERBOSE)
_MAY_BE_ANSI = re.compile(rf"[{_UNSEEN}\x1b\x9b]")
_NO_BLANKS = {code: None for code in range(128) if chr(code).isspace()}

Span = tuple[int, int]


class KnownSecrets:
    """A ports.Redactor. Costs nearly nothing while it knows no secret. Threads may share one."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, None] = {}
        self._weak: list[str] = []
        self._search: _Search | None = None
        for value in values:
            self.add(value)

    @property
    def weak(self) -> tuple[str, ...]:
        """One sentence per value that was too weak to be registered; for a warning."""
        return tuple(self._weak)

    def add(self, value: str) -> None:
        """From now on the value is masked; a structured one is given leaf by leaf."""
        with self._lock:
            if value in self._values or not value:
                return
            reason = why_weak(value)
            if reason:
                self._weak.append(reason)
                return
            self._values[value] = None
            self._search = None

    def text(self, text: str) -> str:
        """The text with every known value in it as *****."""
        if not self._values or not text:
            return text
        return _masked(text, self._searched().spans(text))

    def json(self, value: Json) -> Json:
        """JSON with keys, texts and numbers masked at any depth. Keys that collide are numbered."""
        return self._json(value, 0) if self._values else value

    def stream(self) -> StreamRedactor:
        """For a text that comes in pieces, cut anywhere."""
        return StreamRedactor(self)

    def _json(self, value: Json, depth: int) -> Json:
        if depth > _DEEPEST:
            return MASK
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            result: dict[str, Json] = {}
            for key, item in value.items():
                result[_free(self.text(key), result)] = self._json(item, depth + 1)
            return result
        if isinstance(value, list):
            return [self._json(item, depth + 1) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value if self.text(str(value)) == str(value) else MASK
        return value

    def _searched(self) -> _Search:
        with self._lock:
            if self._search is None:
                self._search = _Search.over(self._values)
            return self._search


class StreamRedactor:
    """Holds back what may be the beginning of a secret, and nothing else."""

    def __init__(self, known: KnownSecrets) -> None:
        self._known = known
        self._held = ""

    def feed(self, chunk: str) -> str:
        """What may be shown by now, masked; the rest is held until it is clear."""
        if not self._known._values:
            chunk, self._held = self._held + chunk, ""
            return chunk
        text = self._held + chunk
        search = self._known._searched()
        spans = search.spans(text)
        cut = _before(spans, search.open_at(text))
        if len(text) - cut > _LARGEST_HELD:
            cut = len(text)
        self._held = text[cut:]
        return _masked(text[:cut], [span for span in spans if span[0] < cut])

    def end(self) -> str:
        """The rest, masked."""
        rest, self._held = self._held, ""
        return self._known.text(rest)


@dataclass(frozen=True, slots=True)
class _Search:
    automaton: ahocorasick.Automaton  # pattern -> its length
    shortest: int
    longest: int

    @classmethod
    def over(cls, values: Iterable[str]) -> _Search:
        patterns = {pattern for value in values for pattern in variants(value)}
        automaton = ahocorasick.Automaton()
        for pattern in patterns:
            automaton.add_word(pattern, len(pattern))
        automaton.make_automaton()
        lengths = [len(pattern) for pattern in patterns]
        return cls(automaton, min(lengths), max(lengths))

    def spans(self, text: str) -> list[Span]:
        """Where secrets stand, in order, not overlapping: [start, end) in characters."""
        if len(text) < self.shortest:
            return []
        found = self._spans(text, _without_blanks(text), _BLANK)
        if _MAY_BE_ANSI.search(text):  # besides, for a secret may look like the end of a sequence
            found += self._spans(text, _without_blanks(_without_ansi(text)), _LEFT_OUT)
        return list(_merged(sorted(found)))

    def open_at(self, text: str) -> int:
        """From where on the text may be the beginning of a secret that goes on; else its length."""
        places = [self._open_at(text, _BLANK)]
        if _MAY_BE_ANSI.search(text):
            places.append(self._open_at(text, _LEFT_OUT))
        return min(places)

    def _spans(self, text: str, solid: str, left_out: re.Pattern[str]) -> list[Span]:
        hits = [(end - length + 1, end) for end, length in self.automaton.iter(solid)]
        if not hits:
            return []
        places = _places(text, left_out)
        return [(places[start], places[end] + 1) for start, end in hits]

    def _open_at(self, text: str, left_out: re.Pattern[str]) -> int:
        start = self._tail_start(text, left_out)
        tail = text[start:]
        places = _places(tail, left_out)
        solid = "".join(tail[place] for place in places)
        for index in range(max(0, len(solid) - self.longest + 1), len(solid)):
            first = solid[index : index + 16]
            if self.automaton.match(first) and self.automaton.match(solid[index:]):
                return start + places[index]
        return len(text)

    def _tail_start(self, text: str, left_out: re.Pattern[str]) -> int:
        """A place with at least `longest` characters behind it that count, or 0."""
        width = 2 * self.longest
        while width < len(text):
            if len(left_out.sub("", text[-width:])) >= self.longest:
                return len(text) - width
            width *= 2
        return 0


def _without_blanks(text: str) -> str:
    """What _BLANK.sub gives, 20 times as fast."""
    return text.translate(_NO_BLANKS) if text.isascii() else "".join(text.split())


def _without_ansi(text: str) -> str:
    return _UNSEEN_RUN.sub("", _ANSI.sub("", text))


def _places(text: str, left_out: re.Pattern[str]) -> list[int]:
    """Where in the text each character stands that is not left out."""
    places: list[int] = []
    at = 0
    for match in left_out.finditer(text):
        places.extend(range(at, match.start()))
        at = match.end()
    places.extend(range(at, len(text)))
    return places


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


def _before(spans: list[Span], cut: int) -> int:
    """The cut, moved so that it stands in no span."""
    return next((start for start, end in reversed(spans) if start < cut < end), cut)


def _masked(text: str, spans: list[Span]) -> str:
    if not spans:
        return text
    parts: list[str] = []
    at = 0
    for start, end in spans:
        parts += (text[at:start], MASK)
        at = end
    parts.append(text[at:])
    return "".join(parts)


def _free(key: str, taken: dict[str, Json]) -> str:
    if key not in taken:
        return key
    return next(name for n in range(2, len(taken) + 3) if (name := f"{key} {n}") not in taken)
