"""Which keys may an Environment have?"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from orchestrator.files.kinds.common import (
    Anything,
    Header,
    LimitsKeys,
    Name,
    Strict,
    Word,
    complaint,
)
from orchestrator.files.words import did_you_mean

_SCHEMES = ("env://", "file://")
_LATER = ("sops://", "vault://")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _locator(value: Any) -> str:
    """Where a secret is found. Raises a complaint."""
    if not isinstance(value, str):
        raise complaint("must be text such as env://NAME")
    if value.startswith(_LATER):
        raise complaint(
            f"is a {value.split(':')[0]}:// secret, which cannot be read yet",
            "env://NAME and file://PATH can; sops:// and vault:// come later",
        )
    scheme, _, rest = value.partition("://")
    if f"{scheme}://" not in _SCHEMES or not rest:
        near = did_you_mean(f"{scheme}://", _SCHEMES, "secrets are read from")
        raise complaint("must say where the secret is found, such as env://NAME", near)
    if scheme == "env" and not _VARIABLE.fullmatch(rest):
        raise complaint("must name an environment variable after env://")
    return value


def _variable(value: Any) -> str:
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        help = "credentials are names of variables, never their values"
        raise complaint("must be the name of an environment variable such as AWS_PROFILE", help)
    return value


Locator = Annotated[str, BeforeValidator(_locator)]
Variable = Annotated[str, BeforeValidator(_variable)]


class CredentialsKeys(Strict):
    """Names of our environment variables that each tool may see; nothing else passes."""

    pulumi: list[Variable] = Field(default_factory=list)
    ansible: list[Variable] = Field(default_factory=list)
    command: list[Variable] = Field(default_factory=list)


class ProtectKeys(Strict):
    """What may not happen here: destroy, and delete or replace of some types."""

    destroy: bool = False
    types: list[str] = Field(default_factory=list)


class LadderKeys(Strict):
    """The environments that a release must have passed, all of them or any."""

    all: list[Name] = Field(default_factory=list)
    any: list[Name] = Field(default_factory=list)


class StateKeys(Strict):
    """Where the stacks' state is kept: builtin or a Pulumi backend URL, and a mirror of it."""

    backend: str
    mirror: str = ""


def _ladder(value: Any) -> Any:
    return {"all": [value]} if isinstance(value, str) else value


def _state(value: Any) -> Any:
    return {"backend": value} if isinstance(value, str) else value


_Ladder = BeforeValidator(_ladder, json_schema_input_type=str | LadderKeys)
_State = BeforeValidator(_state, json_schema_input_type=str | StateKeys)


class SharedKeys(Strict):
    """What environments may share by `extends`, and all but the name of one."""

    vars: dict[Word, Anything] = Field(default_factory=dict)
    secrets: dict[Word, Locator] = Field(default_factory=dict)
    credentials: CredentialsKeys = Field(default_factory=CredentialsKeys)
    promote_from: Annotated[LadderKeys, _Ladder] = Field(default_factory=LadderKeys)
    gate: str = ""
    protect: ProtectKeys = Field(default_factory=ProtectKeys)
    state: Annotated[StateKeys, _State] | None = None
    limits: LimitsKeys = Field(default_factory=LimitsKeys)
    extends: list[str] = Field(default_factory=list)


class EnvironmentKeys(SharedKeys, Header):
    """One rung of the ladder: its values, secrets, protections."""

    kind: Literal["Environment"]
    name: Name
