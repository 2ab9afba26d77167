"""How do we say what was found, and what may have been meant?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from orchestrator.files.sources import Path
from orchestrator.model.values import Reference, Text


def did_you_mean(word: str, known: Iterable[str], listed: str = "known") -> str:
    """The nearest word, or else the few that there are; empty where there are none."""
    words = list(dict.fromkeys(known))
    near = get_close_matches(word, words, 1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"{listed}: {', '.join(words[:12])}" if words else ""


def shown(value: Any) -> str:
    """A value in a message, by its kind and, where short, its text."""
    if isinstance(value, Reference):
        return f"the reference '{value}'"
    if isinstance(value, Text):
        return "text with a reference"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {str(value)[:40]}"
    if isinstance(value, str):
        return f"text '{value}'" if len(value) <= 40 else f"text '{value[:40]}…'"
    if value is None:
        return "nothing"
    return "a map" if isinstance(value, Mapping) else "a list"


def where(path: Path, whole: str) -> str:
    """A place in a document as a person says it: 'timeout' in stages.hosts."""
    if not path:
        return whole
    keys = [index for index, part in enumerate(path) if isinstance(part, str)]
    last = keys[-1] if keys else 0
    name = dotted(path[last:])
    return f"'{name}' in {dotted(path[:last]) or whole}"


def dotted(path: Path) -> str:
    """stages.database.needs[0]"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
