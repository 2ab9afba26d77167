"""What does a project say? Project, pipelines, environments, gates: as read, checked, frozen.

Fields typed Tree may hold references; everything else is literal. Positions of values that errors
or `explain` may have to name are kept in `positions`, keyed by path ("stages.hosts.timeout").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, TypeAlias

from orchestrator.model.positions import Position
from orchestrator.model.types import ValueType
from orchestrator.model.values import Tree


class StageKind(Enum):
    PULUMI = "pulumi"
    ANSIBLE = "ansible"
    COMMAND = "command"
    CHECK = "check"
    APPROVAL = "approval"


class When(Enum):
    SUCCESS = "success"
    FAILURE = "failure"
    ALWAYS = "always"


class OnFailure(Enum):
    STOP = "stop"
    CONTINUE = "continue"


class Cause(Enum):
    """Why an attempt did not succeed, as far as a retry can care."""

    FAILED = "failed"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"


class HostKeys(Enum):
    PINNED = "pinned"  # only keys the inventory carries
    KNOWN_HOSTS = "known_hosts"  # the user's known_hosts file
    FIRST_USE = "first_use"


class Skip(Enum):
    NEVER = "never"
    WHEN_UNCHANGED = "when_unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    attempts: int = 1  # in all; 1 is no retry
    on: tuple[Cause, ...] = (Cause.FAILED, Cause.UNREACHABLE, Cause.TIMEOUT)
    backoff: timedelta = timedelta(seconds=10)  # before the second attempt, then doubled, <= 5 min


@dataclass(frozen=True, slots=True, kw_only=True)
class PulumiSpec:
    project: str  # folder with Pulumi.yaml, relative to the project root
    stack: Tree = ""  # empty: the environment's name
    config: Mapping[str, Tree] = field(default_factory=dict)  # keys without ':' get the project's
    python: str = (
        ""  # interpreter or virtualenv folder; empty: the one Pulumi.yaml names, else ours
    )
    refresh: bool = True
    parallel: int = 0  # 0: Pulumi's own default


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsibleSpec:
    playbook: str  # relative to the project root
    inventory: tuple[Tree, ...] = ()  # paths, or references to inventory outputs; see design 1
    vars: Mapping[str, Tree] = field(default_factory=dict)
    limit: Tree = ""
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    forks: int = 0  # 0: min(hosts, 50)
    config: str = ""  # an ansible.cfg; empty: the project root's if there is one
    venv: str = ""  # folder of a virtualenv that has ansible-core; empty: ours
    requirements: str = ""  # a requirements.yml of roles and collections
    vault: Mapping[str, Tree] = field(default_factory=dict)  # vault id -> secret
    ssh_key: Tree = ""  # a secret; empty: whatever ssh finds by itself
    host_keys: HostKeys = HostKeys.PINNED
    skip: Skip = Skip.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    run: tuple[Tree, ...]  # argv, never a shell
    env: Mapping[str, Tree] = field(default_factory=dict)
    directory: str = ""  # relative to the project root


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    url: Tree
    status: int = 200
    contains: Tree = ""
    within: timedelta = timedelta(minutes=1)  # until it holds once
    hold: timedelta = timedelta(0)  # then it must go on holding for this long
    headers: Mapping[str, Tree] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSpec:
    message: Tree = ""
    need: int = 1
    from_: tuple[str, ...] = ()  # people or group:names
    expires: timedelta | None = None


StageSpec: TypeAlias = PulumiSpec | AnsibleSpec | CommandSpec | CheckSpec | ApprovalSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    name: str
    kind: StageKind
    spec: StageSpec
    needs: tuple[str, ...] = ()  # as written; references add their edges in core.graph
    when: When = When.SUCCESS
    timeout: timedelta | None = None  # None: the default of its kind (core.scheduler)
    retry: Retry = Retry()
    on_failure: OnFailure = OnFailure.STOP
    outputs: Mapping[str, ValueType] = field(default_factory=dict)
    once: bool = False  # "once: release"
    irreversible: bool = False
    destroy: AnsibleSpec | CommandSpec | None = None
    title: str = ""
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    name: str
    type: ValueType
    default: Tree = None
    has_default: bool = False
    min: float | None = None
    max: float | None = None
    one_of: tuple[Any, ...] = ()
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    name: str
    path: str  # file or folder relative to the project root


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Widths: how many stages may run at once; 0 is no limit."""

    run: int = 0
    kinds: Mapping[StageKind, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    name: str
    vars: Mapping[str, Variable] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    stages: Mapping[str, Stage]  # in file order
    limits: Limits = Limits()
    positions: Mapping[str, Position] = field(default_factory=dict)
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """promote_from: all or any of these environments; empty for the first rung."""

    environments: tuple[str, ...] = ()
    any: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Protect:
    destroy: bool = False
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Names of our environment variables that each tool may see; nothing else passes."""

    pulumi: tuple[str, ...] = ()
    ansible: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateBackend:
    """state: `builtin`, or a Pulumi backend URL. None in Environment: as recorded, else default."""

    backend: str
    mirror: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    name: str
    vars: Mapping[str, Tree] = field(default_factory=dict)  # after `extends`
    secrets: Mapping[str, str] = field(default_factory=dict)  # name -> "env://X", "file://path"
    credentials: Credentials = Credentials()
    promote_from: Ladder = Ladder()
    gate: str = ""
    protect: Protect = Protect()
    state: StateBackend | None = None
    limits: Limits = Limits()
    extends: tuple[str, ...] = ()
    positions: Mapping[str, Position] = field(default_factory=dict)
    files: tuple[str, ...] = ()  # environment.yaml and all it extends
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Read and checked now, judged later; `body` is the validated document as plain JSON."""

    name: str
    body: Mapping[str, Any]
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    id: str
    store: str = "local"  # or postgresql://…
    protected: str = ""  # a git ref; empty where the project has no gates
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    gates: Mapping[str, Gate] = field(default_factory=dict)
    position: Position
