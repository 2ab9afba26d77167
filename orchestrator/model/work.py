"""What is an attempt handed, and how is it asked to stop?"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from orchestrator.model.definitions import StageKind, StageSpec
from orchestrator.model.runs import Action, RunKey
from orchestrator.model.types import ValueType
from orchestrator.model.values import Secret


class Cancel:
    """A request to stop that any thread may wait for. `harder` asks to skip the grace period."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.harder = False
        self.reason = ""  # "cancelled" or "timeout"; empty while nobody asked

    def ask(self, reason: str = "cancelled", *, harder: bool = False) -> None:
        self.reason = self.reason or reason
        self.harder = self.harder or harder
        self._asked.set()

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    def wait(self, seconds: float) -> bool:
        """Whether somebody asked, after at most so many seconds."""
        return self._asked.wait(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackTarget:
    """Where a Pulumi stage's stack lives."""

    backend: str  # a Pulumi backend URL, or "builtin": in the store
    name: str  # the stack's name, without organization and project
    passphrase: Secret  # of the stack's secrets provider
    keep: Path  # a folder of this stack's own that outlives the attempt (salt, caches)
    lease_token: int = 0  # builtin: the lease under which the state may be written
    mirror: str = ""  # builtin: a folder that gets a copy after each update
    base_version: int | None = None  # builtin: the version an update must start from; None: any


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One attempt's order. Everything in `spec` is resolved: no Reference or Text is left."""

    run: RunKey
    stage: str
    attempt: int  # counted from 1 per run and stage
    action: Action
    kind: StageKind
    spec: StageSpec
    project: Path  # the release's tree at its stable path: playbooks/, stacks/, …
    inventories: Path  # the environment's folder: environment.yaml, hosts.yaml, group_vars/
    checkout: Path = Path()  # where virtualenvs that are in no release lie
    folder: Path  # this attempt's own, 0700; removed later
    cache: Path  # shared between attempts of a store, 0700: fact cache, galaxy downloads
    tools: Mapping[str, Path] = field(default_factory=dict)  # "pulumi" -> the CLI
    credentials: Mapping[str, str] = field(default_factory=dict)  # the variables the tool may see
    outputs: Mapping[str, ValueType] = field(default_factory=dict)  # declared: they must come
    stack: StackTarget | None = None  # only, and always, for pulumi
    data_vars: tuple[str, ...] = ()  # ansible: top-level vars that held a reference: data, no Jinja
    only_hosts: tuple[str, ...] = ()  # ansible: a retry of just these hosts; empty: all
    secrets: Mapping[str, str] = field(default_factory=dict)  # name -> locator, for `secrets.name`
    hidden: tuple[Secret, ...] = ()  # parts of secret texts in `spec`: secret by themselves
    may_skip: bool = False  # inputs equal the last success's and nothing above changed
    lease_token: int = 0  # of the lease that the attempt works under, and renews; 0: of none
    where: str = ""  # "orchestrator.yaml:14", where the stage is defined
    mark: str = ""  # value of ORCHESTRATOR_ATTEMPT in every process of this attempt
    timeout: timedelta = timedelta(hours=1)
    grace: timedelta = timedelta(seconds=30)  # between asking a tool to stop and ending its tree
    tool_lock: int = -1  # descriptor the tool must inherit (pass_fds); -1: none
    cancel: Cancel = field(default_factory=Cancel)
