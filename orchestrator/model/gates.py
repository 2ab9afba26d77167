"""What do rules say of a change?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Decision(Enum):
    """Only ALLOW is leave."""

    ALLOW = "allow"
    DENY = "deny"
    ERROR = "error"  # the rules could not tell


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One reason why not."""

    id: str
    message: str
    severity: str = ""
    paths: tuple[str, ...] = ()  # where in the input: "changes.rows.3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one package of rules said of one input, and all that it takes to ask again."""

    package: str
    decision: Decision
    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()
    error: str = ""
    input_digest: str
    pack_digest: str
    engine: str  # its name and version
