"""Which parts of a text are secret? Everything a tool says passes here before anything is stored.

Caught: each known value as it is, in the encodings of `variants`, wrapped or spread over lines,
with colours inside, cut by reads at any place. Not caught: values cut in two by other text,
compressed, encrypted or encoded in ways not listed there, and values too weak to be searched for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from orchestrator.model.values import Json
from orchestrator.trust.search import Search, Span
from orchestrator.trust.variants import why_weak

MASK = "*****"
_DEEPEST = 200  # levels of JSON; what is deeper is masked whole
LONGEST_PIECE = 3000  # characters of a value that are searched for as one
_LARGEST_HELD = 1024 * 1024  # characters a stream holds back at most, e.g. of blank lines


class KnownSecrets:
    """A ports.Redactor. Costs nearly nothing while it knows no secret. Threads may share one."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, None] = {}
        self._weak: list[str] = []
        self._search: Search | None = None
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
            for piece in _pieces(value):
                self._values[piece] = None
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

    def _searched(self) -> Search:
        with self._lock:
            if self._search is None:
                self._search = Search.over(self._values)
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


def _pieces(value: str) -> Iterable[str]:
    """The value itself; a long one in pieces that cover it, but for those too weak to search for.

    A search over one pattern of 400,000 characters ends the process when it is given up, for
    pyahocorasick walks its nodes by recursion; and so the half of a value is caught as well.
    """
    if len(value) <= LONGEST_PIECE:
        return (value,)
    starts = range(0, len(value), LONGEST_PIECE)
    last = len(value) - LONGEST_PIECE
    pieces = (value[min(start, last) :][:LONGEST_PIECE] for start in starts)
    return (piece for piece in pieces if not why_weak(piece))


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
