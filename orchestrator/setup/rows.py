"""What is a line of the doctor's table?"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

Report = Callable[[str], None]


class State(StrEnum):
    """How one needed thing stands on this machine."""

    OK = "ok"
    MISSING = "missing"
    OLD = "old"
    WARN = "warn"  # everything works, but something is slower or poorer than it could be


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: what is needed, what was found, and the exact command that mends it.

    fix: "" where nothing is to be done. can_fix: `doctor --fix` does it on this machine.
    packages: Debian packages that mend it; all rows' packages are installed in one go.
    """

    name: str
    needed: str
    found: str
    state: State
    fix: str = ""
    can_fix: bool = False
    packages: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        """True if work cannot be done until this is mended."""
        return self.state in (State.MISSING, State.OLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the machine is examined for.

    light_hosts: the project's stacks use the light hosts. tests: the project's own tests run here.
    """

    light_hosts: bool = False
    tests: bool = False
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def is_root(self) -> bool:
        return os.geteuid() == 0


def home_of(env: Mapping[str, str]) -> Path:
    """The user's home folder by HOME, else by the password database."""
    return Path(env["HOME"]) if env.get("HOME") else Path.home()


def cache_of(env: Mapping[str, str]) -> Path:
    """Where what can be made again is kept: XDG_CACHE_HOME (else ~/.cache)/orchestrator."""
    base = env.get("XDG_CACHE_HOME")
    return (Path(base) if base else home_of(env) / ".cache") / "orchestrator"
