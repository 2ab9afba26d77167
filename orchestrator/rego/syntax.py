"""What is wrong with a rule, before it judges anything? Read from the syntax tree of regorus.

A field that no input has, or a function that answers differently each time, would make a rule that
never refuses; regorus itself says nothing of either until, or unless, the line is reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.rego.functions import ALLOWED, FORBIDDEN

Node = Any
Schema = Mapping[str, Any]
_HEADS = ("Set", "Func", "Compr")
_STEPS = ("RefDot", "RefBrack")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong in a file of rules."""

    file: str
    line: int
    column: int
    what: str


def complaints(modules: Sequence[Node], schema: Schema) -> list[Complaint]:
    """All that is wrong in all files, in their order.

    modules: what regorus gives as its syntax tree. schema: a JSON Schema of the input.
    """
    own = {_package(module["ast"]): _own_names(module["ast"]) for module in modules}
    found = []
    for module in modules:
        file, tree = module["source"]["file"], module["ast"]
        here = set().union(*(names for package, names in own.items() if package == _package(tree)))
        here |= {_imported(entry) for entry in tree["imports"]}
        for rule in tree["rules"]:
            bound = _bound(rule, schema, module["source"]["contents"].encode())
            for line, column, what in _in_rule(rule, here, bound, schema):
                found.append(Complaint(file, line, column, what))
    return sorted(set(found), key=lambda each: (each.file, each.line, each.column, each.what))


def _in_rule(
    rule: Node, own: set[str], bound: Mapping[str, Schema], schema: Schema
) -> Iterator[tuple[int, int, str]]:
    for kind, node in _nodes(rule):
        if kind == "Call":
            name = ".".join(_name(node["fcn"]) or ["?"])
            if what := _call(name, own):
                yield *_at(node), what
        elif kind in _STEPS:
            path = _path({kind: node})
            if path and (what := _unknown(path, bound, schema)):
                yield *_at(node), what
        elif kind == "with":
            name = ".".join(_name(node["refr"]) or ["?"])
            if name.split(".")[0] not in ("input", "data"):
                yield *_at(node), f"'with' may replace input and data only, not {name}"


def _call(name: str, own: set[str]) -> str:
    if name in FORBIDDEN:
        return f"{name} is forbidden: it asks {FORBIDDEN[name]}"
    if name in ALLOWED or name.split(".")[0] in own or name.startswith("data."):
        return ""
    return f"there is no function {name} for rules"


def _unknown(path: list[str | None], bound: Mapping[str, Schema], schema: Schema) -> str:
    """What no input has, of a path that begins at the input or at something bound from it."""
    at = _start(path[0], bound, schema)
    for depth, key in enumerate(path[1:], start=1):
        below = _below(at, key, schema)
        if below is None and at is not None:
            shown = ".".join(part if part is not None else "_" for part in path[: depth + 1])
            return f"no input has {shown}" + _known(at)
        at = below
    return ""


def _known(schema: Schema) -> str:
    keys = sorted(schema.get("properties", {}))
    return f"; there: {', '.join(keys)}" if keys else ""


def _bound(rule: Node, schema: Schema, source: bytes) -> Mapping[str, Schema]:
    """Variables that stand for a part of the input; one bound to two different ones is left out."""
    bound: dict[str, Schema] = {}
    twice: set[str] = set()
    for _ in range(4):  # a variable may be bound through another one that comes later
        for name, at in _bindings(rule, bound, schema, source):
            if bound.get(name, at) != at:
                twice.add(name)
            bound[name] = at
    return {name: at for name, at in bound.items() if name not in twice}


def _bindings(
    rule: Node, bound: Mapping[str, Schema], schema: Schema, source: bytes
) -> Iterator[tuple[str, Schema]]:
    for kind, node in _nodes(rule):
        if kind == "SomeIn":
            within = _stands_for(node["collection"], bound, schema)
            name, at = _variable(node["value"]), _items(within, schema)
        elif kind == "Every":
            within = _stands_for(node["domain"], bound, schema)
            span = node["value"]  # regorus gives its place only
            name = source[span["start"] : span["end"]].decode()
            at = _items(within, schema)
        elif kind == "AssignExpr":
            name, at = _variable(node["lhs"]), _stands_for(node["rhs"], bound, schema)
        else:
            continue
        if name and at is not None:
            yield name, at


def _stands_for(node: Node, bound: Mapping[str, Schema], schema: Schema) -> Schema | None:
    path = _path(node)
    if not path:
        return None
    at = _start(path[0], bound, schema)
    for key in path[1:]:
        at = _below(at, key, schema)
    return at


def _start(name: str | None, bound: Mapping[str, Schema], schema: Schema) -> Schema | None:
    return schema if name == "input" else bound.get(name or "")


def _below(at: Schema | None, key: str | None, schema: Schema) -> Schema | None:
    """The schema of a key (None: any) of a value; None where nothing is known, or nothing is."""
    if at is None:
        return None
    at = _resolved(at, schema)
    if not at:  # anything may stand there
        return at
    if key is None or at.get("type") == "array":
        return _items(at, schema)
    properties = at.get("properties", {})
    if key in properties:
        return _resolved(properties[key], schema)
    more = at.get("additionalProperties")
    return _resolved(more, schema) if isinstance(more, Mapping) else None


def _items(at: Schema | None, schema: Schema) -> Schema | None:
    if at is None:
        return None
    more = at.get("items", at.get("additionalProperties"))
    return _resolved(more, schema) if isinstance(more, Mapping) else {}


def _resolved(at: Schema, schema: Schema) -> Schema:
    name = at.get("$ref", "").rpartition("/")[2]
    found: Schema = schema["$defs"][name] if name else at
    return found


# reading the tree


def _nodes(tree: Node) -> Iterator[tuple[str, Node]]:
    """Every node with its kind; the outermost of a chain a.b.c only."""
    if isinstance(tree, list):
        for item in tree:
            yield from _nodes(item)
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            if key == "with_mods":
                yield from (("with", mod) for mod in value)
            if isinstance(value, Mapping) and key[:1].isupper():
                yield key, value
            yield from _nodes(_past_chain(key, value))


def _past_chain(key: str, value: Node) -> Node:
    """What stands beneath a chain besides the chain itself: its indexes."""
    indexes = []
    while key in _STEPS and isinstance(value, Mapping):
        indexes.append(value.get("index"))
        if not isinstance(value["refr"], Mapping) or len(value["refr"]) != 1:
            break
        key, value = next(iter(value["refr"].items()))
    return [*indexes, value] if indexes else value


def _path(node: Node) -> list[str | None] | None:
    """["input", "changes", None] of `input.changes[_]`; None where it is no chain from a name."""
    if not isinstance(node, Mapping) or len(node) != 1:
        return None
    (kind, value) = next(iter(node.items()))
    if kind == "Var":
        return [_text_of(value["value"])]
    if kind not in _STEPS:
        return None
    before = _path(value["refr"])
    if before is None:
        return None
    if kind == "RefDot":
        return [*before, _text_of(value["field"])]
    literal = value["index"].get("String") if isinstance(value["index"], Mapping) else None
    return [*before, _text_of(literal["value"]) if literal else None]


def _name(node: Node) -> list[str] | None:
    path = _path(node)
    return None if path is None else [part or "_" for part in path]


def _variable(node: Node) -> str:
    path = _path(node)
    return (path[0] or "") if path and len(path) == 1 else ""


def _text_of(value: Node) -> str:
    """Names come as text, or as their place and their text."""
    if isinstance(value, list):
        return str(value[-1])
    return value if isinstance(value, str) else ""


def _package(tree: Node) -> str:
    return ".".join(_name(tree["package"]["refr"]) or [])


def _imported(entry: Node) -> str:
    alias = entry.get("as")
    return _text_of(alias) if alias else (_name(entry["refr"]) or ["?"])[-1]


def _own_names(tree: Node) -> set[str]:
    """Names of the rules and functions of one file."""
    heads = [rule["Spec"]["head"] for rule in tree["rules"] if "Spec" in rule]
    named = [_name(head[kind]["refr"]) for head in heads for kind in _HEADS if kind in head]
    return {name[0] for name in named if name}


def _at(node: Node) -> tuple[int, int]:
    span = node.get("span") or {}
    return int(span.get("line", 0)), int(span.get("col", 0))
