"""What can go wrong that is not our bug, and with which exit code does it end?

    OrchestratorError            1
    ├── UsageError               2   the words of a command are off
    ├── DefinitionError          2   a file of the project is wrong (all its problems at once)
    ├── NotPermitted             3
    ├── ToolError                1   a tool is missing, too old, or cannot be started
    ├── StoreError               1
    │   ├── StoreMissing         1
    │   ├── WrongStore           1
    │   └── StoreUnwritable      1   disk full, read-only, or the database does not answer
    ├── SecretError              1   a secret cannot be resolved, or a sealed value cannot be opened
    ├── ReleaseError             1   a snapshot cannot be made or does not exist
    ├── Refused                  10  a gate, a protection or a rule of the design says no
    ├── Locked                   12
    │   └── Fenced               12  a write under a lease that is no longer the current one
    ├── NotFound                 1
    └── ExecutorError            4   a tool was asked and its answer cannot tell what is true: lost

What happened to the world is a value (a failed playbook is an Outcome); these are for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from orchestrator.model.positions import Problem


class OrchestratorError(Exception):
    """The root: the faces show its text, never a traceback.

    what: what could not be done and why, one sentence. holds: what is still true. next: what to do.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, holds: str = "", next: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.holds = holds
        self.next = next

    def __str__(self) -> str:
        parts = [part for part in (self.what, self.holds, self.next) if part]
        return " ".join([*map(_sentence, parts[:-1]), *parts[-1:]])


class UsageError(OrchestratorError):
    exit_code = 2


class DefinitionError(OrchestratorError):
    """One or more problems of the project's files; never empty."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__("; ".join(str(problem) for problem in self.problems[:20]))
        self.count = count


class NotPermitted(OrchestratorError):
    exit_code = 3


class ToolError(OrchestratorError):
    pass


class StoreError(OrchestratorError):
    pass


class StoreMissing(StoreError):
    pass


class WrongStore(StoreError):
    pass


class StoreUnwritable(StoreError):
    pass


class SecretError(OrchestratorError):
    pass


class ReleaseError(OrchestratorError):
    pass


class NotFound(OrchestratorError):
    pass


class Refused(OrchestratorError):
    exit_code = 10


class Locked(OrchestratorError):
    exit_code = 12


class Fenced(Locked):
    pass


class ExecutorError(OrchestratorError):
    """The tool was asked and we cannot say what is true now.

    started: False where the tool was never started, so that nothing can have changed.
    """

    exit_code = 4

    def __init__(self, what: str, *, started: bool = True, holds: str = "", next: str = "") -> None:
        super().__init__(what, holds=holds, next=next)
        self.started = started


def _sentence(text: str) -> str:
    return text if text[-1] in ".!?:;" else f"{text}."
