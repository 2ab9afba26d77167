"""Which types can a variable or an output have, and does a value fit one?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_network
from urllib.parse import urlsplit

from orchestrator.model.inventory import inventory_problems
from orchestrator.model.values import Reference, Secret, Text, Tree


class TypeName(Enum):
    STRING = "string"
    INT = "int"
    NUMBER = "number"
    BOOL = "bool"
    LIST = "list"
    MAP = "map"
    OBJECT = "object"
    CIDR = "cidr"
    URL = "url"
    INVENTORY = "inventory"
    SECRET = "secret"


_WITH_INNER = (TypeName.LIST, TypeName.MAP, TypeName.SECRET)
_TEXTS = (TypeName.STRING, TypeName.CIDR, TypeName.URL)


@dataclass(frozen=True, slots=True)
class ValueType:
    """`string`, `list(string)`, `secret(string)` …"""

    name: TypeName
    of: ValueType | None = None  # only, and always, for list, map and secret

    def __str__(self) -> str:
        return f"{self.name.value}({self.of})" if self.of else self.name.value

    @property
    def is_secret(self) -> bool:
        return self.name is TypeName.SECRET or (self.of is not None and self.of.is_secret)

    @property
    def is_text(self) -> bool:
        """May stand inside a string beside other text."""
        return self.name in _TEXTS


STRING = ValueType(TypeName.STRING)
OBJECT = ValueType(TypeName.OBJECT)
INVENTORY = ValueType(TypeName.INVENTORY)


def parse_type(text: str) -> ValueType:
    """The type a text names. Raises ValueError saying which types there are."""
    match = re.fullmatch(r"\s*([a-z]+)\s*(?:\((.*)\))?\s*", text, re.DOTALL)
    names = {name.value: name for name in TypeName}
    if match is None or match[1] not in names:
        known = ", ".join(f"{n.value}(T)" if n in _WITH_INNER else n.value for n in TypeName)
        raise ValueError(f"unknown type '{text}'; types: {known}")
    name = names[match[1]]
    if (name in _WITH_INNER) != (match[2] is not None):
        right = f"{name.value}(T)" if name in _WITH_INNER else name.value
        raise ValueError(f"type '{text}' must be written {right}")
    return ValueType(name, parse_type(match[2]) if match[2] is not None else None)


def mismatch(value: Tree, type_: ValueType) -> str:
    """Why a value does not fit a type, or an empty string where it does.

    References inside fit every type here; what they stand for is checked where they are resolved.
    """
    if isinstance(value, Reference | Text):
        return ""
    if type_.name is TypeName.SECRET:
        assert type_.of is not None
        return mismatch(value.value if isinstance(value, Secret) else value, type_.of)
    if isinstance(value, Secret):
        return f"is a secret, but {type_} is not a secret type"
    return _CHECKS[type_.name](value, type_)


def fits(given: ValueType, wanted: ValueType) -> bool:
    """Whether every value of one type is a value of the other."""
    if wanted.name is TypeName.SECRET:
        assert wanted.of is not None
        return fits(given.of if given.name is TypeName.SECRET and given.of else given, wanted.of)
    if given.name in _WITH_INNER and given.name is wanted.name:
        assert given.of is not None
        assert wanted.of is not None
        return fits(given.of, wanted.of)
    if given == wanted:
        return True
    if wanted.name is TypeName.STRING:
        return given.name in _TEXTS
    if wanted.name is TypeName.NUMBER:
        return given.name is TypeName.INT
    if wanted.name is TypeName.OBJECT:
        return given.name in (TypeName.MAP, TypeName.INVENTORY) and not given.is_secret
    return False


def _is(value: Tree, type_: ValueType, right: bool) -> str:
    return "" if right else f"must be {_article(type_)}, not {_shown(value)}"


def _list(value: Tree, type_: ValueType) -> str:
    if not isinstance(value, list) or type_.of is None:
        return _is(value, type_, False)
    reasons = (f"[{i}] {r}" for i, item in enumerate(value) if (r := mismatch(item, type_.of)))
    return next(reasons, "")


def _map(value: Tree, type_: ValueType) -> str:
    if not isinstance(value, Mapping) or type_.of is None:
        return _is(value, type_, False)
    reasons = (f"'{k}' {r}" for k, item in value.items() if (r := mismatch(item, type_.of)))
    return next(reasons, "")


def _cidr(value: Tree, type_: ValueType) -> str:
    try:
        return _is(
            value, type_, isinstance(value, str) and "/" in value and bool(ip_network(value))
        )
    except ValueError as error:
        return f"must be a cidr such as 10.0.0.0/24: {error}"


def _url(value: Tree, type_: ValueType) -> str:
    if not isinstance(value, str):
        return _is(value, type_, False)
    parts = urlsplit(value)
    return _is(value, type_, parts.scheme in ("http", "https") and bool(parts.netloc))


def _inventory(value: Tree, type_: ValueType) -> str:
    if not isinstance(value, dict):
        return _is(value, type_, False)
    problems = inventory_problems(value)
    return "is no inventory: " + "; ".join(problems) if problems else ""


_CHECKS = {
    TypeName.STRING: lambda v, t: _is(v, t, isinstance(v, str)),
    TypeName.INT: lambda v, t: _is(v, t, isinstance(v, int) and not isinstance(v, bool)),
    TypeName.NUMBER: lambda v, t: _is(v, t, isinstance(v, int | float) and not isinstance(v, bool)),
    TypeName.BOOL: lambda v, t: _is(v, t, isinstance(v, bool)),
    TypeName.OBJECT: lambda v, t: _is(v, t, isinstance(v, Mapping)),
    TypeName.LIST: _list,
    TypeName.MAP: _map,
    TypeName.CIDR: _cidr,
    TypeName.URL: _url,
    TypeName.INVENTORY: _inventory,
}


def _article(type_: ValueType) -> str:
    return f"{'an' if str(type_)[0] in 'aeiou' else 'a'} {type_}"


def _shown(value: Tree) -> str:
    words = {str: "text", bool: "bool", int: "int", float: "number", list: "list", dict: "map"}
    kind = "nothing" if value is None else words.get(type(value), type(value).__name__)
    return f"{kind} {value!r}" if isinstance(value, str | int | float) else f"a {kind}"
