"""What does `${{ a.b.c }}` in a text mean, and what becomes of it once its value is known?

A reference is a plain path: no expressions, no filters, no defaults. A text that is one reference
is a Reference and keeps the type of its value; a text with references inside is a Text, and what
stands in it must be text or a whole number. `$${{` is a literal `${{`. `{{ }}` is Ansible's and
never touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from orchestrator.model.definitions import StageSpec
from orchestrator.model.positions import Position
from orchestrator.model.values import Reference, Secret, Text, Tree

S = TypeVar("S", bound=StageSpec)
Lookup = Callable[[Reference], Tree]

_OPEN = re.compile(r"\$\$\{\{|\$\{\{")
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*")


class ReferenceProblem(ValueError):
    """A malformed reference, or a value that cannot stand where it is referred to.

    offset, length: characters of the text that was parsed (0 and 0 where no text was).
    """

    def __init__(self, message: str, *, offset: int = 0, length: int = 0, help: str = "") -> None:
        super().__init__(f"{message}; {help}" if help else message)
        self.message = message
        self.offset = offset
        self.length = length
        self.help = help


def parse_text(text: str, position: Position | None = None) -> str | Reference | Text:
    """The text itself, the one reference that it is, or its parts in order.

    position: where the text's first character stands; a reference gets from it where its path
    begins. Raises ReferenceProblem at the first malformed reference.
    """
    parts: list[str | Reference] = []
    at = 0
    while found := _OPEN.search(text, at):
        parts.append(text[at : found.start()])
        if found[0] == "$${{":
            parts.append("${{")
            at = found.end()
        else:
            path, at = _path_at(text, found.start())
            begin = text.index(path[0], found.end())
            parts.append(Reference(path=path, position=_moved(position, text, begin)))
    parts.append(text[at:])
    return _folded(parts)


def references_in(tree: Any) -> Iterator[Reference]:
    """Every reference of a Tree or of a stage's spec, in order of appearance, repeats included."""
    if isinstance(tree, Reference):
        yield tree
    elif isinstance(tree, Text):
        yield from (part for part in tree.parts if isinstance(part, Reference))
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from references_in(item)
    elif isinstance(tree, Sequence) and not isinstance(tree, str):
        for item in tree:
            yield from references_in(item)
    elif is_dataclass(tree) and not isinstance(tree, Secret):
        for field in fields(tree):
            yield from references_in(getattr(tree, field.name))


def has_references(tree: Any) -> bool:
    """Whether anything in a Tree or a stage's spec still waits for its value."""
    return next(references_in(tree), None) is not None


def resolve(tree: Tree, lookup: Lookup) -> Tree:
    """The tree with every reference replaced by what `lookup` answers.

    A lookup that answers with the reference itself leaves it standing (secrets are resolved later,
    in the attempt). A Secret inside text makes the whole text a Secret. Raises ReferenceProblem
    where a value inside text is neither string nor int; whatever `lookup` raises passes through.
    """
    if isinstance(tree, Reference):
        return lookup(tree)
    if isinstance(tree, Text):
        return _resolved_text(tree, lookup)
    if isinstance(tree, Mapping):
        return {key: resolve(item, lookup) for key, item in tree.items()}
    if isinstance(tree, Sequence) and not isinstance(tree, str):
        return [resolve(item, lookup) for item in tree]
    return tree


def resolve_spec(spec: S, lookup: Lookup) -> S:
    """A stage's spec with the references of all its fields replaced; see `resolve`."""
    changed: dict[str, Any] = {}
    for field in fields(spec):
        value = getattr(spec, field.name)
        if has_references(value):
            resolved = resolve(value, lookup)
            changed[field.name] = tuple(resolved) if isinstance(resolved, list) else resolved
    return replace(spec, **changed) if changed else spec


def _path_at(text: str, start: int) -> tuple[tuple[str, ...], int]:
    """The path of the reference that opens at `start`, and where its text ends."""
    end = text.find("}}", start)
    another = _OPEN.search(text, start + 3)
    if end < 0 or (another and another.start() < end):
        stop = another.start() if another else len(text)
        written = text[start:stop].split("\n")[0].rstrip()
        raise ReferenceProblem(
            "reference is not closed",
            offset=start,
            length=len(written),
            help=f"write '{written.rstrip(' }')} }}}}'; a literal '${{{{' is written '$${{{{'",
        )
    inner, length = text[start + 3 : end].strip(), end + 2 - start
    if not inner:
        raise ReferenceProblem(
            "reference is empty",
            offset=start,
            length=length,
            help="name what it stands for, such as '${{ vars.region }}'",
        )
    if not _PATH.fullmatch(inner):
        raise ReferenceProblem(
            f"'{inner}' is no reference: it must be a plain path of names and dots",
            offset=start,
            length=length,
            help=_advice(inner),
        )
    return tuple(inner.split(".")), end + 2


def _advice(inner: str) -> str:
    if "|" in inner and "default" in inner:
        return "defaults are given where a variable is declared: { type: string, default: … }"
    if "|" in inner or "(" in inner:
        return "there are no filters or functions; logic belongs in the stack or the playbook"
    if "[" in inner:
        return "a reference takes a whole output; pick from it in the stack or the playbook"
    if any(sign in inner for sign in "+*/?<>=!&\"'"):
        return "there are no expressions; logic belongs in the stack or the playbook"
    return "such as 'vars.region' or 'stages.network.outputs.subnet'"


def _moved(position: Position | None, text: str, offset: int) -> Position | None:
    """Where a character of a text stands; the text's own place after a line break in it."""
    if position is None or "\n" in text[:offset]:
        return position
    return replace(position, column=position.column + offset)


def _folded(parts: Sequence[str | Reference]) -> str | Reference | Text:
    """Neighbouring strings made one, empty ones left out; a single part is itself."""
    folded: list[str | Reference] = []
    for part in parts:
        if isinstance(part, str) and folded and isinstance(folded[-1], str):
            folded[-1] += part
        elif part != "":
            folded.append(part)
    if len(folded) == 1:
        return folded[0]
    return Text(parts=tuple(folded)) if folded else ""


def _resolved_text(text: Text, lookup: Lookup) -> Tree:
    parts: list[str | Reference | Secret] = []
    for part in text.parts:
        if not isinstance(part, Reference):
            parts.append(part)
            continue
        value = lookup(part)
        if isinstance(value, Text):
            parts.extend(value.parts)
        else:
            parts.append(_inside_text(part, value))
    if any(isinstance(part, Reference) for part in parts):
        return Text(parts=tuple(parts))  # even a lone reference: its value must be text
    words = [part.value if isinstance(part, Secret) else part for part in parts]
    whole = "".join(str(word) for word in words)
    return Secret(whole) if any(isinstance(part, Secret) for part in parts) else whole


def _inside_text(reference: Reference, value: Tree) -> str | Reference | Secret:
    bare = value.value if isinstance(value, Secret) else value
    if isinstance(bare, int) and not isinstance(bare, bool):  # a port in a URL: its digits
        bare = str(bare)
        value = Secret(bare) if isinstance(value, Secret) else bare
    if isinstance(value, Reference) or (isinstance(value, str | Secret) and isinstance(bare, str)):
        return value
    kind = "nothing" if bare is None else type(bare).__name__
    raise ReferenceProblem(
        f"'{reference}' is a {kind}; inside text a reference must be a string or an int",
        help="make the whole value the reference, or declare it as string",
    )
