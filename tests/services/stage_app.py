"""How does a test drive runs without a process? Attempts that end at once, as the test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.attempts.hints import hint, hint_name
from orchestrator.files.definitions import load_project
from orchestrator.model.codec import encode
from orchestrator.model.events import Recorded, RunEvent
from orchestrator.model.runs import Action, Changes, Outcome, Run, Status
from orchestrator.services import runs
from orchestrator.services.app import App
from orchestrator.services.interrupts import Interrupts
from orchestrator.store.opening import memory_store
from orchestrator.trust.vault import Keys, StoreVault

PROJECT = """\
apiVersion: orchestrator/v1
kind: Project
id: tiny-1
---
apiVersion: orchestrator/v1
kind: Pipeline
name: tiny
stages:
"""
ENVIRONMENT = "apiVersion: orchestrator/v1\nkind: Environment\nname: {name}\n"
NOTHING = Outcome(status=Status.SUCCEEDED)
CHANGED = Outcome(status=Status.SUCCEEDED, changes=Changes(update=1))
FAILED = Outcome(status=Status.FAILED)


@dataclass(slots=True)
class Clock:
    """Stands still until it is set."""

    at: datetime = datetime(2026, 11, 25, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclass(slots=True)
class Attempts:
    """Starts attempts: each ends at once with the answer that `answers` holds for its stage."""

    answers: dict[str, Outcome | Mapping[str, Any]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)  # the last of each stage
    before: Callable[[AttemptFolder], None] = lambda _: None

    def start(self, folder: AttemptFolder, _: Mapping[str, str]) -> None:
        order = json.loads(folder.work.read_text())
        stage = order["stage"]
        self.started.append(stage)
        self.orders[stage] = order
        self.before(folder)
        folder.started.touch()
        answer = self.answers.get(stage, NOTHING)
        if isinstance(answer, Outcome):
            answer = {"outcome": encode(replace(answer, outputs={})), "outputs": answer.outputs}
        folder.result.write_text(json.dumps(answer))
        hint(hint_name(folder.path.parent))

    def skippable(self) -> list[str]:
        """Stages whose last order said that they may be skipped."""
        return [stage for stage, order in self.orders.items() if order["may_skip"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Small:
    """A project with a store in memory, and attempts that are no processes."""

    app: App
    attempts: Attempts
    clock: Clock
    told: list[RunEvent | Recorded]

    def up(
        self,
        *select: str,
        environment: str = "dev",
        action: Action = Action.APPLY,
        words: Mapping[str, str] | None = None,
    ) -> Run:
        return runs.start(
            self.app,
            pipeline="tiny",
            environment=environment,
            action=action,
            select_=select,
            words=words,
            listener=self.told.append,
            interrupts=Interrupts(),
        )


@contextmanager
def small(folder: Path, *stages: str, more: str = "") -> Iterator[Small]:
    """stages: lines of YAML below `stages:`. more: other lines of dev's environment.yaml."""
    root = folder / "project"
    (root / "inventories/dev").mkdir(parents=True)
    (root / "orchestrator.yaml").write_text(PROJECT + "".join(f"  {line}\n" for line in stages))
    (root / "inventories/dev/environment.yaml").write_text(ENVIRONMENT.format(name="dev") + more)
    (root / "play.yml").write_text("- hosts: all\n  tasks: []\n")
    store = memory_store("tiny-1", folder=folder / "store")
    attempts, clock = Attempts(), Clock()
    app = App(
        root=root,
        project=load_project(root),
        store=store,
        vault=StoreVault(Keys.create(folder / "store/keys.json")),
        clock=clock,
        actor="ana@laptop pid 1",
        variables={},
        start_attempt=attempts.start,
        tools=dict,
    )
    yield Small(app=app, attempts=attempts, clock=clock, told=[])
    store.close()
