"""Which keys may an Access document have?"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from orchestrator.files.kinds.common import Header, Strict, complaint
from orchestrator.files.kinds.gate import Person
from orchestrator.files.words import shown

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_KEY = re.compile(r"(ssh|ecdsa|sk)-\S+ \S+( .*)?")


def _email(value: Any) -> str:
    if not isinstance(value, str) or not _EMAIL.fullmatch(value):
        raise complaint(f"must be an e-mail address, not {shown(value)}")
    return value


def _key(value: Any) -> str:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise complaint("must be a public SSH key such as 'ssh-ed25519 AAAA…'")
    return value


Email = Annotated[str, BeforeValidator(_email)]
PublicKey = Annotated[str, BeforeValidator(_key)]
Verb = Literal["view", "plan", "apply", "promote", "approve", "waive", "cancel", "destroy", "admin"]


class PersonKeys(Strict):
    """By which addresses and keys a person is known."""

    emails: list[Email] = Field(default_factory=list)
    keys: list[PublicKey] = Field(default_factory=list)


class ScopeKeys(Strict):
    """Where a role holds; `*` is everywhere."""

    pipelines: list[str] = Field(min_length=1)
    environments: list[str] = Field(min_length=1)


class RoleKeys(Strict):
    """Who may do what, and where."""

    who: list[Person] = Field(min_length=1)
    may: list[Verb] = Field(min_length=1)
    on: ScopeKeys


class AccessKeys(Header):
    """Who there is, and what each may do."""

    kind: Literal["Access"]
    people: dict[str, PersonKeys] = Field(default_factory=dict)
    groups: dict[str, list[str]] = Field(default_factory=dict)
    roles: list[RoleKeys] = Field(default_factory=list)
