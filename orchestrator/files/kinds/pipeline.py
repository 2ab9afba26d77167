"""Which keys may a Pipeline have?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from orchestrator.files.kinds.common import (
    Anything,
    Header,
    LimitsKeys,
    Name,
    Strict,
    TypeText,
    Word,
)
from orchestrator.files.kinds.stage import StageKeys


class VariableKeys(Strict):
    """A typed variable, filled by each environment or by its default."""

    type: TypeText
    default: Anything = None
    min: float | None = None
    max: float | None = None
    one_of: list[Any] = Field(default_factory=list)


class ArtifactKeys(Strict):
    """A file or folder of the project that is frozen into the release."""

    path: str


def _variable(value: Any) -> Any:
    """The short form of a variable is its type."""
    return {"type": value} if isinstance(value, str) else value


class PipelineKeys(Header):
    """An acyclic graph of stages, with the variables they are given."""

    kind: Literal["Pipeline"]
    name: Name
    vars: dict[Word, Annotated[VariableKeys, BeforeValidator(_variable)]] = Field(
        default_factory=dict
    )
    artifacts: dict[Word, ArtifactKeys] = Field(default_factory=dict)
    stages: dict[Name, StageKeys] = Field(min_length=1)
    limits: LimitsKeys = LimitsKeys()
