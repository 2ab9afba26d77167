"""Where in a file does something stand, and what is wrong there?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a definition file."""

    file: str  # relative to the project's root
    line: int  # counted from 1
    column: int  # counted from 1, in characters

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a definition, complete enough to print with a caret."""

    message: str
    position: Position | None = None
    length: int = 1  # characters the caret underlines
    source: str = ""  # the text of that line, without its newline
    help: str = ""  # what would be right; empty where nothing can be said
    severity: str = "error"  # "error" or "warning"
    private: bool = False  # what stands there may be a secret: the line is not shown any further

    def __str__(self) -> str:
        where = f" ({self.position})" if self.position else ""
        return f"{self.message}{where}" + (f"; {self.help}" if self.help else "")
