"""A small project on disk, and orders for its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from orchestrator.ansible.executor import AnsibleExecutor
from orchestrator.model.definitions import AnsibleSpec, StageKind
from orchestrator.model.events import StageEvent, TaskResult
from orchestrator.model.runs import Action, Outcome, Plan, RunKey
from orchestrator.model.types import parse_type
from orchestrator.model.work import Work

LOCAL = "all:\n  hosts:\n    here: {ansible_connection: local}\n"
TWO = "all:\n  vars: {ansible_connection: local}\n  hosts: {h1: {}, h2: {}}\n"


@dataclass
class Told:
    """A Report that keeps what it was told."""

    events: list[StageEvent] = field(default_factory=list)

    def __call__(self, event: StageEvent) -> None:
        self.events.append(event)

    def results(self, state: str = "") -> list[TaskResult]:
        found = (event for event in self.events if isinstance(event, TaskResult))
        return [event for event in found if not state or event.state == state]


class Site:
    """A project's folders below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "project"
        self.inventories = root / "inventories/dev"
        self.cache = root / "cache"
        self.told = Told()
        for folder in (self.project, self.inventories, self.cache):
            folder.mkdir(parents=True)
        self.hosts(LOCAL)

    def hosts(self, text: str) -> None:
        (self.inventories / "hosts.yaml").write_text(text)

    def write(self, path: str, text: str) -> Path:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def tasks(self, text: str, *, hosts: str = "all", path: str = "play.yml") -> Path:
        """A playbook of one play, without facts; `text` are its tasks, indented by nothing."""
        body = "".join(f"    {line}\n" for line in text.strip("\n").splitlines())
        return self.write(path, f"- hosts: {hosts}\n  gather_facts: false\n  tasks:\n{body}")

    def work(
        self,
        *,
        playbook: str = "play.yml",
        outputs: Mapping[str, str] | None = None,
        spec: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Work:
        folder = self.root / "attempts" / uuid4().hex[:8]
        folder.mkdir(mode=0o700, parents=True)
        order: dict[str, Any] = {
            "run": RunKey("p", "dev", 1),
            "stage": "app",
            "attempt": 1,
            "action": Action.APPLY,
            "kind": StageKind.ANSIBLE,
            "spec": AnsibleSpec(playbook=playbook, **(spec or {})),
            "project": self.project,
            "inventories": self.inventories,
            "folder": folder,
            "cache": self.cache,
            "outputs": {name: parse_type(text) for name, text in (outputs or {}).items()},
            "mark": uuid4().hex,
            "timeout": timedelta(minutes=2),
            "grace": timedelta(seconds=10),
        }
        return Work(**{**order, **fields})

    def apply(self, work: Work | None = None, **options: Any) -> Outcome:
        return AnsibleExecutor().apply(work or self.work(**options), self.told)

    def plan(self, **options: Any) -> Plan:
        return AnsibleExecutor().plan(self.work(**options), self.told)
