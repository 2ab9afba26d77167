"""A Pulumi stage, done by attempt processes as the real ones are.

Its state lies in a file backend in a folder, or in a store (`backend="builtin"`).
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

from orchestrator.model.codec import decode, encode
from orchestrator.model.definitions import PulumiSpec, StageKind
from orchestrator.model.runs import Action, Outcome, Plan, RunKey
from orchestrator.model.stacks import StackName
from orchestrator.model.types import parse_type
from orchestrator.model.values import Secret
from orchestrator.model.work import StackTarget, Work
from orchestrator.store.opening import init_store
from orchestrator.store.store import DatabaseStore
from orchestrator.trust.vault import Keys
from tests.needs import CHECKOUT, pulumi_path
from tests.store.samples import AT


def _make_key(path: Path) -> None:
    Keys.create(path)


@dataclass(kw_only=True)
class Done:
    """What an attempt said."""

    events: list[Mapping[str, Any]]
    last: Mapping[str, Any]
    stderr: str

    @property
    def outcome(self) -> Outcome:
        assert "result" in self.last, self.last
        return decode(Outcome, self.last["result"], json.loads)

    @property
    def plan(self) -> Plan:
        assert "result" in self.last, self.last
        return decode(Plan, self.last["result"], json.loads)

    @property
    def error(self) -> str:
        assert "error" in self.last, self.last
        return str(self.last["error"])

    def logs(self) -> list[str]:
        return [event["text"] for event in self.events if event["type"] == "log"]

    def resources(self, state: str = "done") -> list[tuple[str, str]]:
        wanted = (e for e in self.events if e["type"] == "resource" and e["state"] == state)
        return [(event["operation"], event["name"]) for event in wanted]


@dataclass(kw_only=True)
class Stage:
    """root: the folder everything lies in. warm: programs are forked, not executed."""

    root: Path
    spec: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    warm: bool = True
    checkout: Path | None = None
    backend: str = ""  # empty: a folder below `root`
    timeout: timedelta = timedelta(minutes=2)
    grace: timedelta = timedelta(seconds=10)
    attempts: int = 0
    name: str = "site"
    base_version: int | None = None
    token: int = 0  # builtin: the lease that the attempts write under

    @property
    def builtin(self) -> bool:
        return self.backend == "builtin"

    @cached_property
    def store(self) -> DatabaseStore:
        """The store, and a lease of its environment."""
        with patch.dict(os.environ, {"ORCHESTRATOR_STATE": str(self.root / "store")}):
            made = init_store("site-1", at=AT, make_key=_make_key)
        self.take_lease(made)
        return made

    def take_lease(self, store: DatabaseStore) -> None:
        """A newer lease than before: attempts that run already are shut out."""
        with store.write() as tx:
            tx.release_lease("site", "dev", self.token)
            lease = tx.take_lease("site", "dev", owner="ana", purpose="run dev#1", at=AT)
        self.token = lease.token

    def deployment(self) -> Mapping[str, Any]:
        """The stack's state; {} where there is none."""
        if self.builtin:
            with self.store.read() as tx:
                content = tx.deployment(StackName("site", "dev"))
            return json.loads(content)["deployment"] if content else {}
        if not self.checkpoint.exists():
            return {}
        return json.loads(self.checkpoint.read_text())["checkpoint"].get("latest") or {}

    @property
    def exists(self) -> bool:
        if self.builtin:
            with self.store.read() as tx:
                return tx.stack(StackName("site", "dev")) is not None
        return self.checkpoint.exists()

    @property
    def program(self) -> Path:
        return self.root / "release" / "stacks" / "site"

    @property
    def checkpoint(self) -> Path:
        return self.root / "state" / ".pulumi" / "stacks" / "site" / "dev.json"

    @property
    def mark(self) -> str:
        return f"{self.root.name}-{self.attempts}"

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.program / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def work(self) -> Work:
        self.attempts += 1
        folder = self.root / "attempts" / str(self.attempts)
        for path in (folder, self.root / "cache", self.root / "inventories" / "dev"):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Work(
            run=RunKey("site", "dev", 1),
            stage=self.name,
            attempt=self.attempts,
            action=Action.APPLY,
            kind=StageKind.PULUMI,
            spec=PulumiSpec(project="stacks/site", **self.spec),
            project=self.root / "release",
            inventories=self.root / "inventories" / "dev",
            folder=folder,
            cache=self.store.folder / "cache" if self.builtin else self.root / "cache",
            tools={"pulumi": pulumi_path()},
            credentials=self.credentials,
            outputs={name: parse_type(text) for name, text in self.outputs.items()},
            stack=StackTarget(
                backend=self.backend or f"file://{self.root / 'state'}",
                name="dev",
                passphrase=Secret("correct horse"),
                keep=self.root / "keep",
                lease_token=self.token,
                base_version=self.base_version,
            ),
            mark=self.mark,
            timeout=self.timeout,
            grace=self.grace,
        )

    def start(self, act: str) -> "subprocess.Popen[str]":
        """An attempt process under way; `end` takes in what it says."""
        (self.root / "state").mkdir(exist_ok=True)
        order = {
            "work": encode(self.work(), json.dumps),
            "warm": self.warm,
            "checkout": str(self.checkout) if self.checkout else "",
        }
        env = {**os.environ, "PULUMI_HOME": str(self.root / "home"), **self.env}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.pulumi.attempt", act],
            cwd=CHECKOUT,
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(order))
        process.stdin.close()
        process.stdin = None
        return process

    def end(self, process: "subprocess.Popen[str]") -> Done:
        out, err = process.communicate(timeout=120)
        lines = [json.loads(line) for line in out.splitlines() if line]
        assert lines, err
        return Done(events=lines[:-1], last=lines[-1], stderr=err)

    def do(self, act: str) -> Done:
        return self.end(self.start(act))
