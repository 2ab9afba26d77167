"""What do all kinds of documents share? Strictness, names, durations, types, texts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from orchestrator.files.words import did_you_mean, shown
from orchestrator.model.types import TypeName, ValueType, parse_type
from orchestrator.model.values import Reference, Text

NAME = r"[a-z][a-z0-9-]{0,62}"
_DURATION = r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?"
_WORD = r"[A-Za-z_][A-Za-z0-9_-]*"
_LONGEST = timedelta(days=3650)


class Strict(BaseModel):
    """No unknown key, no conversion from one type to another."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        defer_build=True,  # with the document that it is part of, not once more for itself
    )


def complaint(message: str, help: str = "") -> PydanticCustomError:
    """What a validator raises: a claim about the value ("must be …"), and what would be right."""
    return PydanticCustomError("complaint", "{message}", {"message": message, "help": help})


def duration(value: Any) -> timedelta:
    """The length of time that `1h30m` says. Raises a complaint."""
    found = re.fullmatch(_DURATION, value) if isinstance(value, str) else None
    if not found or not value:
        help = "write d, h, m and s in this order, such as 1h30m"
        raise complaint(f"must be a duration such as 20m, not {shown(value)}", help)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    try:
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        length = timedelta.max
    if length > _LONGEST:
        raise complaint(f"must be at most 3650d, not {value}")
    return length


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(NAME, value):
        help = "small letters, digits and '-', a letter first, at most 63"
        raise complaint(f"must be a name, not {shown(value)}", help)
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_WORD, value):
        help = "letters, digits, '_' and '-', no digit first"
        raise complaint(f"must be a word that a reference can name, not {shown(value)}", help)
    return value


def value_type(value: Any) -> ValueType:
    """The type that `list(string)` says. Raises a complaint."""
    if not isinstance(value, str):
        raise complaint(f"must be a type such as string, not {shown(value)}")
    try:
        return parse_type(value)
    except ValueError as error:
        known = [name.value for name in TypeName]
        help = did_you_mean(re.split(r"[( ]", value)[0], known, "types")
        if str(error).startswith("unknown"):
            raise complaint(f"must be a type, not {shown(value)}", help) from error
        raise complaint(f"must be a type: {error}") from error


def _text(value: Any) -> Any:
    if isinstance(value, str | Reference | Text):
        return value
    quoted = f'quote it: "{value}"' if isinstance(value, int | float) else ""
    raise complaint(f"must be text or a reference, not {shown(value)}", quoted)


def listed(value: Any) -> Any:
    """The short form of a list with one item."""
    return [value] if isinstance(value, str | Reference | Text) else value


_TYPE_SCHEMA = {
    "type": "string",
    "description": "string, int, number, bool, list(T), map(T), object, cidr, url, inventory, "
    "secret(T)",
}
Name = Annotated[
    str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"})
]
Word = Annotated[
    str, BeforeValidator(_word), WithJsonSchema({"type": "string", "pattern": f"^{_WORD}$"})
]
Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION}$", "examples": ["20m", "1h30m"]}),
]
TypeText = Annotated[Any, BeforeValidator(value_type), WithJsonSchema(_TYPE_SCHEMA)]
Texts = Annotated[Any, BeforeValidator(_text), WithJsonSchema({"type": "string"})]
"""Text that may be a reference, or hold some."""
Anything = Annotated[Any, WithJsonSchema({})]
"""A value of any type that may be a reference, or hold some."""
ShortList = Annotated[list[str], BeforeValidator(listed, json_schema_input_type=str | list[str])]


class Header(Strict):
    """The two keys at the top of every document."""

    api_version: Literal["orchestrator/v1"] = Field(alias="apiVersion")


class LimitsKeys(Strict):
    """How many stages may run at once, in all and of each kind; 0 is no limit."""

    run: int = Field(default=0, ge=0)
    pulumi: int = Field(default=0, ge=0)
    ansible: int = Field(default=0, ge=0)
    command: int = Field(default=0, ge=0)
    check: int = Field(default=0, ge=0)
    approval: int = Field(default=0, ge=0)
