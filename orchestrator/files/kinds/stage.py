"""Which keys may a stage have?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from orchestrator.files.kinds.common import (
    Anything,
    Duration,
    ShortList,
    Strict,
    Texts,
    TypeText,
    Word,
    complaint,
    listed,
)
from orchestrator.files.words import shown

_Listed = BeforeValidator(listed, json_schema_input_type=str | list[str])
STAGE_KINDS = ("pulumi", "ansible", "command", "check", "approval")


class PulumiKeys(Strict):
    """A stack: its folder, its configuration, and how Pulumi is to go about it."""

    project: str
    stack: Texts = ""
    config: dict[str, Anything] = Field(default_factory=dict)
    python: str = ""
    refresh: bool = True
    parallel: int = Field(default=0, ge=0)


class AnsibleKeys(Strict):
    """A playbook, and everything it is run with."""

    playbook: str
    inventory: Annotated[list[Texts], _Listed] = Field(default_factory=list)
    vars: dict[str, Anything] = Field(default_factory=dict)
    limit: Texts = ""
    tags: ShortList = Field(default_factory=list)
    skip_tags: ShortList = Field(default_factory=list)
    forks: int = Field(default=0, ge=0, le=1000)
    config: str = ""
    venv: str = ""
    requirements: str = ""
    vault: dict[str, Texts] = Field(default_factory=dict)
    ssh_key: Texts = ""
    host_keys: Literal["pinned", "known_hosts", "first_use"] = "pinned"
    skip: Literal["never", "when_unchanged"] = "never"


class CommandKeys(Strict):
    """A program and its arguments, without a shell."""

    run: list[Texts] = Field(min_length=1)
    env: dict[str, Texts] = Field(default_factory=dict)
    directory: str = ""


class CheckKeys(Strict):
    """An address that must answer so within a time, and go on for another."""

    url: Texts
    status: int = Field(default=200, ge=100, le=599)
    contains: Texts = ""
    within: Duration = Field(default="1m", validate_default=True)
    hold: Duration = Field(default="0s", validate_default=True)
    headers: dict[str, Texts] = Field(default_factory=dict)


class ApprovalKeys(Strict):
    """A person's go in the middle of a run."""

    message: Texts = ""
    need: int = Field(default=1, ge=1, le=20)
    from_: list[str] = Field(default_factory=list, alias="from")
    expires: Duration | None = None


class RetryKeys(Strict):
    """How often a stage is tried in all, after which failures, and how long before the second."""

    attempts: int = Field(default=1, ge=1, le=100)
    on: list[Literal["failed", "unreachable", "timeout"]] = Field(
        default=["failed", "unreachable", "timeout"], min_length=1
    )
    backoff: Duration = Field(default="10s", validate_default=True)


def _command(value: Any) -> Any:
    """The short form of a command is its list of words."""
    if isinstance(value, str):
        words = ", ".join(value.split())
        raise complaint("must be a list of words; there is no shell", f"write [{words}]")
    if isinstance(value, Sequence):
        return {"run": value}
    return value


def _approval(value: Any) -> Any:
    """An approval may do with nothing said about it."""
    return {} if value is None else value


def _once(value: Any) -> Any:
    if value != "release":
        raise complaint(f"must be release, not {shown(value)}")
    return value


Command = Annotated[
    CommandKeys, BeforeValidator(_command, json_schema_input_type=list[str] | CommandKeys)
]


class DestroyKeys(AnsibleKeys):
    """What takes a stage's work away: a playbook, with Ansible's keys, or a command."""

    playbook: str = ""
    command: Command | None = None


class StageKeys(Strict):
    """One unit of work: exactly one of the five kinds, and what is common to them."""

    pulumi: PulumiKeys | None = None
    ansible: AnsibleKeys | None = None
    command: Command | None = None
    check: CheckKeys | None = None
    approval: Annotated[ApprovalKeys | None, BeforeValidator(_approval)] = None
    title: str = ""
    needs: ShortList = Field(default_factory=list)
    when: Literal["success", "failure", "always"] = "success"
    timeout: Duration | None = None
    retry: RetryKeys = Field(default_factory=RetryKeys)
    on_failure: Literal["stop", "continue"] = "stop"
    outputs: dict[Word, TypeText] = Field(default_factory=dict)
    once: Annotated[Literal["release"] | None, BeforeValidator(_once)] = None
    irreversible: bool = False
    destroy: DestroyKeys | None = None
