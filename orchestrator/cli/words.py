"""In which words do durations, statuses and changes appear?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\^_])")
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

SYMBOLS = {
    "pending": "○",
    "running": "◐",
    "waiting": "⏳",
    "succeeded": "✓",
    "failed": "✗",
    "cancelled": "✗",
    "skipped": "✓",
    "unneeded": "·",
    "blocked": "○",
    "lost": "?",
    "stopped": "✗",
}
PLAIN_SYMBOLS = {
    "pending": "    ",
    "running": "run ",
    "waiting": "wait",
    "succeeded": "ok  ",
    "failed": "FAIL",
    "cancelled": "STOP",
    "skipped": "ok  ",
    "unneeded": "-   ",
    "blocked": "-   ",
    "lost": "LOST",
    "stopped": "STOP",
}
COLORS = {
    "running": "cyan",
    "waiting": "yellow",
    "succeeded": "green",
    "skipped": "green",
    "failed": "red",
    "lost": "red",
    "cancelled": "yellow",
    "stopped": "yellow",
    "blocked": "yellow",
}


def duration(seconds: float) -> str:
    """0.4s, 12s, 3m40s, 2h05m: two units at most."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def changes(kind: str, counts: Mapping[str, int]) -> str:
    """`+2 ~1 -0` for a stack, `3 changed` for a playbook, or `no changes`."""
    create, update = counts.get("create", 0), counts.get("update", 0)
    delete, replace = counts.get("delete", 0), counts.get("replace", 0)
    if kind == "pulumi":
        if not (create or update or delete or replace):
            return "no changes"
        return f"+{create} ~{update} -{delete}" + (f" ±{replace}" if replace else "")
    if kind == "ansible":
        return f"{update} changed" if update else "no changes"
    return ""


def stage_words(body: Mapping[str, Any]) -> str:
    """What a stage.finished event says after its status."""
    kind, status = str(body["kind"]), str(body["status"])
    if status == "succeeded":
        return changes(kind, body.get("changes", {}))
    if status == "failed" and body.get("failures"):
        hosts = body.get("hosts", {})
        bad = sum(state in ("failed", "unreachable") for state in hosts.values())
        if bad:
            return f"{bad} of {len(hosts)} hosts failed"
        return str(body["failures"][0]["what"]).splitlines()[0][:100]
    return str(body.get("reason", ""))


def clean(text: str) -> str:
    """Text from outside, harmless to a terminal: control bytes shown, colours dropped."""
    text = _ANSI.sub("", text).replace("\r\n", "\n")
    return "".join(
        c if c in "\n\t" or (c.isprintable() and c not in _BIDI) else f"\\x{ord(c):02x}"
        for c in text
    )


def _harmless(character: str) -> bool:
    return character in "\n\t" or (character.isprintable() and character not in _BIDI)


def plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
