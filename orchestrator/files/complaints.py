"""What does pydantic's judgement of a document mean for the person who wrote it?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.files.sources import Path, Place
from orchestrator.files.words import did_you_mean, dotted, shown, where
from orchestrator.files.yaml_reader import Document
from orchestrator.model.positions import Problem
from orchestrator.model.values import Reference, Text

M = TypeVar("M", bound=BaseModel)

_OFTEN_SECRET = ("secrets", "credentials")  # some write a value where its place is asked for
_KEY = "[key]"  # pydantic's mark for an error of a key, not of its value
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
}


def checked(
    document: Document, keys: type[M], whole: str
) -> tuple[M | None, tuple[Problem, ...], frozenset[Path]]:
    """The document as its kind, everything wrong with it, and the paths that were left out.

    What is wrong is left out and the rest checked again, so that what refers to the right parts
    can be checked too; None where too little is right. whole: the document in words.
    """
    data, left_out = document.data, set[Path]()
    problems: list[Problem] = []
    while True:
        try:
            return keys.model_validate(data), tuple(problems), frozenset(left_out)
        except ValidationError as error:
            details = error.errors(include_url=False)
        if not left_out:
            problems = [_problem(detail, document, keys, whole) for detail in details]
        paths = {_existing(data, detail["loc"]) for detail in details}
        if () in paths:
            return None, tuple(problems), frozenset(left_out)
        left_out |= paths
        data = without(data, paths)


def place_of(document: Document, path: Path) -> Place:
    """Where a value stands; short forms have one key less than the path says, or some more."""
    for index in range(len(path), -1, -1):
        shorter = path[:index] + path[index + 1 :]
        if shorter in document.places:
            return document.places[shorter]
    return document.place(path)


def _problem(
    detail: ErrorDetails, document: Document, keys: type[BaseModel], whole: str
) -> Problem:
    path = tuple(part for part in detail["loc"] if part != _KEY)
    kind, given = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return _unknown_key(path, document, keys, whole)
    if kind == "missing":
        name, parent = path[-1], path[:-1]
        message = f"key '{name}' is missing in {dotted(parent) or whole}"
        return Problem(message=message, position=place_of(document, parent).named)
    claim, help = _claim(detail, given)
    place = place_of(document, path)
    at = place.named if _KEY in detail["loc"] or isinstance(given, Mapping | list) else place.value
    private = path[0] in _OFTEN_SECRET and len(path) > 1
    message = f"{where(path, whole)} {claim}"
    return Problem(message=message, position=at, help=help, private=private)


def _unknown_key(path: Path, document: Document, keys: type[BaseModel], whole: str) -> Problem:
    name, parent = str(path[-1]), path[:-1]
    help = did_you_mean(name, _keys_at(keys, parent), "keys")
    message = f"unknown key '{name}' in {dotted(parent) or whole}"
    return Problem(message=message, position=place_of(document, path).named, help=help)


def _claim(detail: ErrorDetails, given: Any) -> tuple[str, str]:
    """What the value must be, and what would help."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "complaint":
        return str(context["message"]), str(context["help"])
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, not {shown(given)}", _type_help(kind, given)
    if kind == "literal_error":
        expected = re.findall(r"'([^']*)'", str(context["expected"])) or ["true"]
        help = did_you_mean(given, expected, "one of") if isinstance(given, str) else ""
        return f"must be {_either(expected)}, not {shown(given)}", help if "?" in help else ""
    if kind == "too_short":
        return "must not be empty", ""
    if kind in ("greater_than_equal", "less_than_equal"):
        sign = "at least" if kind.startswith("greater") else "at most"
        return f"must be {sign} {context['ge' if 'ge' in context else 'le']}, not {given}", ""
    return f"is not right: {detail['msg']}", ""


def _type_help(kind: str, given: Any) -> str:
    if isinstance(given, Reference | Text):
        return "references are read in config, vars, env, headers, inventory and texts"
    if kind == "string_type" and isinstance(given, int | float) and not isinstance(given, bool):
        return f'quote it: "{given}"'
    if kind in ("int_type", "float_type", "bool_type") and isinstance(given, str):
        return "write it without quotes"
    if given is None:
        return "give it a value, or leave the key out"
    if kind == "list_type" and isinstance(given, str):
        return f"write [{given}]"
    return ""


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _keys_at(keys: Any, path: Path) -> list[str]:
    """The keys that a map of this kind may have at a path."""
    for part in path:
        model = _model(keys)
        if model is None:  # a dict or a list: whatever the key, its items are of the last type
            keys = get_args(_bare(keys))[-1] if get_args(_bare(keys)) else None
        else:
            names = {field.alias or name: field for name, field in model.model_fields.items()}
            keys = names[str(part)].annotation if str(part) in names else None
    model = _model(keys)
    fields = model.model_fields.items() if model else ()
    return [field.alias or name for name, field in fields]


def _bare(annotation: Any) -> Any:
    """An annotation without Annotated and Optional."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _bare(next(arg for arg in get_args(annotation) if arg is not type(None)))
    return annotation


def _model(annotation: Any) -> type[BaseModel] | None:
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def _existing(data: Any, loc: Path) -> Path:
    """The longest part of a path that is there, down to a key of a map."""
    path: Path = ()
    for part in loc:
        if not isinstance(data, Mapping) or part not in data:
            break
        path, data = (*path, part), data[part]
    return path


def without(data: Any, paths: Set[Path]) -> Any:
    here = {path[0] for path in paths if len(path) == 1}
    return (
        {
            key: without(item, {path[1:] for path in paths if len(path) > 1 and path[0] == key})
            for key, item in data.items()
            if key not in here
        }
        if paths
        else data
    )
