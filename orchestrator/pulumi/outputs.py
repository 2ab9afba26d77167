"""Which declared outputs did the program give, and are they as secret as declared? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.model.types import TypeName, ValueType
from orchestrator.model.values import Secret, Value

SIGNATURE = "4dabf18193072939515e22adb298388d"  # a value with this key is special to Pulumi
SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # stands in previews for what is not known yet


def wanted_secrets(shown: Mapping[str, Any], declared: Mapping[str, ValueType]) -> tuple[str, ...]:
    """Declared secret outputs whose value the events do not show."""
    return tuple(
        name
        for name, type_ in declared.items()
        if type_.is_secret and name in shown and has_secret(shown[name])
    )


def exposed(shown: Mapping[str, Any], declared: Mapping[str, ValueType]) -> tuple[str, ...]:
    """Outputs that the program marked secret and the stage declares as open."""
    return tuple(
        name
        for name, type_ in declared.items()
        if not type_.is_secret and name in shown and has_secret(shown[name])
    )


def typed_outputs(
    shown: Mapping[str, Any],
    declared: Mapping[str, ValueType],
    revealed: Mapping[str, Any],
) -> dict[str, Value]:
    """The declared outputs that came and are known, secret where declared so."""
    values = {**shown, **revealed}
    return {
        name: sealed(values[name], type_)
        for name, type_ in declared.items()
        if name in values and not has_secret(values[name]) and not is_unknown(values[name])
    }


def sealed(value: Any, type_: ValueType) -> Value:
    """The value with a Secret at every place that the type declares secret."""
    if type_.name is TypeName.SECRET:
        return Secret(value)
    if type_.of is not None and type_.of.is_secret:
        if isinstance(value, list):
            return [sealed(item, type_.of) for item in value]
        if isinstance(value, Mapping):
            return {key: sealed(item, type_.of) for key, item in value.items()}
    result: Value = value
    return result


def has_secret(value: Any) -> bool:
    """Whether a masked or encrypted value stands in it."""
    if isinstance(value, Mapping):
        return value.get(SIGNATURE) == SECRET_MARK or any(map(has_secret, value.values()))
    return isinstance(value, list) and any(map(has_secret, value))


def is_unknown(value: Any) -> bool:
    """Whether a part of it is not known before the update."""
    if isinstance(value, Mapping):
        return _any_unknown(value.values())
    if isinstance(value, list):
        return _any_unknown(value)
    return isinstance(value, str) and value == UNKNOWN


def _any_unknown(values: Iterable[Any]) -> bool:
    return any(map(is_unknown, values))
