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
    value_type,
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
    if not isinstance(value, str):
        return value
    value_type(value)  # complains of the variable itself, not of a key that nobody wrote
    return {"type": value}


_Variable = BeforeValidator(_variable, json_schema_input_type=str | VariableKeys)


class PipelineKeys(Header):
    """An acyclic graph of stages, with the variables they are given."""

    kind: Literal["Pipeline"]
    name: Name
    vars: dict[Word, Annotated[VariableKeys, _Variable]] = Field(default_factory=dict)
    artifacts: dict[Word, ArtifactKeys] = Field(default_factory=dict)
    stages: dict[Name, StageKeys] = Field(min_length=1)
    limits: LimitsKeys = Field(default_factory=LimitsKeys)
