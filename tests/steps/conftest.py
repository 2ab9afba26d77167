"""What do the steps' tests share? Work to do, and a list of what was reported."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from orchestrator.model.definitions import CommandSpec, StageKind, StageSpec
from orchestrator.model.events import StageEvent
from orchestrator.model.runs import Action, RunKey
from orchestrator.model.work import Work

WorkFor = Callable[..., Work]


class Heard(list[StageEvent]):
    """A Report that remembers."""

    def __call__(self, event: StageEvent) -> None:
        self.append(event)

    def texts(self) -> list[str]:
        return [getattr(event, "text", "") for event in self]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def work_for(tmp_path: Path) -> WorkFor:
    """Makes the work of a spec; fields may be given by name."""
    folder = tmp_path / "attempt"
    folder.mkdir(mode=0o700)
    project = tmp_path / "project"
    project.mkdir()

    def make(spec: StageSpec, **fields: Any) -> Work:
        kind = StageKind.COMMAND if isinstance(spec, CommandSpec) else StageKind.CHECK
        work = Work(
            run=RunKey("p", "dev", 1),
            stage="s",
            attempt=1,
            action=Action.APPLY,
            kind=kind,
            spec=spec,
            project=project,
            inventories=project,
            folder=folder,
            cache=folder,
            mark=f"test-{uuid4().hex}",
        )
        return replace(work, **fields)

    return make
