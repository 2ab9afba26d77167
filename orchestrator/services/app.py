"""With what does a service work? Everything that wiring plugged in for one project."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.model.definitions import Project
from orchestrator.model.errors import NotFound
from orchestrator.model.runs import RunKey, Ticket
from orchestrator.ports import Clock, Store, Vault

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # names also name folders
_NUMBER = re.compile(r"[0-9]{1,9}").fullmatch
StartAttempt = Callable[[AttemptFolder, Mapping[str, str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What lets this command into an environment that others may not enter."""

    held: bool = False  # it said that it goes on under its person's own hold
    ticket: Ticket | None = None  # it waited, and this is its place in the queue


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One project with its store, and who acts on it."""

    root: Path  # the checkout
    project: Project
    store: Store
    vault: Vault
    clock: Clock
    actor: str  # "ana@laptop"
    variables: Mapping[str, str]  # our own environment; tools see only what is allowed
    start_attempt: StartAttempt
    tools: Callable[[], Mapping[str, Path]]  # found when a stage needs them
    grace: timedelta = timedelta(seconds=30)
    admission: Admission = Admission()

    @property
    def several_pipelines(self) -> bool:
        return len(self.project.pipelines) > 1

    def spoken(self, key: RunKey) -> str:
        """The run's id as people type it: dev#3, or guestbook/dev#3 with several pipelines."""
        return str(key) if self.several_pipelines else key.short

    def key(self, text: str) -> RunKey:
        """The run that an id names. Raises NotFound saying how ids read."""
        path, _, number = text.partition("#")
        pipeline, _, environment = path.rpartition("/")
        if not pipeline and _NUMBER(number):
            pipeline = self._only_pipeline(environment, int(number))
        if not (_NAME.fullmatch(pipeline) and _NAME.fullmatch(environment) and _NUMBER(number)):
            like = "guestbook/dev#3" if self.several_pipelines else "dev#3"
            raise NotFound(
                f"'{text}' is no run id.", next=f"Ids read like {like}: orchestrator runs"
            )
        return RunKey(pipeline, environment, int(number))

    def _only_pipeline(self, environment: str, number: int) -> str:
        """The only pipeline there is, else the only one with such a run; "" where that is open."""
        if len(self.project.pipelines) == 1:
            return next(iter(self.project.pipelines))
        with self.store.read() as tx:
            runs = tx.runs(environment=environment, limit=10_000)
        found = {run.key.pipeline for run in runs if run.key.number == number}
        return found.pop() if len(found) == 1 else ""

    def folder(self, *parts: str) -> Path:
        """A 0700 folder of the store's own."""
        folder = self.store.folder.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def run_folder(self, key: RunKey) -> Path:
        return self.folder("attempts", key.pipeline, f"{key.environment}-{key.number}")

    def tree(self, pipeline: str, environment: str) -> Path:
        """The stable path at which an environment's release stands."""
        return self.folder("environments", pipeline, environment)
