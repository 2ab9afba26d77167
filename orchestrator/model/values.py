"""What can a variable, an input or an output hold?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from orchestrator.model.positions import Position


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that may be used and never shown; its text form is *****."""

    value: Value

    def __repr__(self) -> str:
        return "*****"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`${{ stages.hosts.outputs.url }}`: its path, and where it stands."""

    path: tuple[str, ...]
    position: Position | None = None

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string with references inside: literal parts and references in order.

    A Secret is a part only while other references still wait; then the whole becomes a Secret.
    """

    parts: tuple[str | Reference | Secret, ...]


Scalar: TypeAlias = bool | int | float | str | None
Value: TypeAlias = "Scalar | Secret | list[Value] | dict[str, Value]"
"""JSON, plus Secret at any place."""
Tree: TypeAlias = "Scalar | Secret | Reference | Text | Sequence[Tree] | Mapping[str, Tree]"
"""A Value that may still hold references; every Value is a Tree."""
Json: TypeAlias = "Scalar | list[Json] | dict[str, Json]"


def secrets_in(value: Tree) -> Iterator[Value]:
    """Every value that stands inside a Secret, unwrapped, in order of appearance."""
    if isinstance(value, Secret):
        yield value.value
        yield from secrets_in(value.value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secrets_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets_in(item)
    elif isinstance(value, Text):
        for part in value.parts:
            yield from secrets_in(part)


def leaves(value: Value) -> Iterator[Scalar]:
    """Every scalar of a value, secrets opened, in order."""
    if isinstance(value, Secret):
        yield from leaves(value.value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def revealed(value: Value) -> Json:
    """The value with every Secret opened. Only for handing it to the tool that asked."""
    if isinstance(value, Secret):
        return revealed(value.value)
    if isinstance(value, Mapping):
        return {key: revealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [revealed(item) for item in value]
    return value


def masked(value: Value) -> Json:
    """JSON of a value for eyes: every Secret is *****."""
    if isinstance(value, Secret):
        return "*****"
    if isinstance(value, Mapping):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value
