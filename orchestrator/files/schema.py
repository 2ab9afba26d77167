"""How does an editor know our files? By a JSON Schema of all kinds, told apart by `kind`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from orchestrator.files.descriptions import description_of
from orchestrator.files.kinds.access import AccessKeys
from orchestrator.files.kinds.environment import EnvironmentKeys
from orchestrator.files.kinds.gate import GateKeys
from orchestrator.files.kinds.pipeline import PipelineKeys
from orchestrator.files.kinds.project import ProjectKeys

_NULL = {"type": "null"}
_MAY_BE_EMPTY = ("approval",)  # `approval:` with nothing after it is an approval
_Definition = Annotated[
    ProjectKeys | PipelineKeys | EnvironmentKeys | GateKeys | AccessKeys,
    Field(discriminator="kind"),
]


SCHEMA_FILE = "orchestrator.schema.json"


def json_schema() -> dict[str, Any]:
    """The schema of one document of any kind (JSON Schema 2020-12).

    Where a reference may stand the schema takes any text, or any value at all.
    """
    schema: dict[str, Any] = _plain(TypeAdapter(_Definition).json_schema())
    for model, definition in schema["$defs"].items():
        for key, item in definition["properties"].items():
            item["description"] = description_of(model, key)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Orchestrator definitions"
    return schema


def schema_text() -> str:
    """The schema as it is committed beside this module."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _plain(schema: Any, key: str = "") -> Any:
    """Without what says nothing to a writer: titles made of our names, null for a left-out key."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    options = schema.get("anyOf", [])
    if _NULL in options and key not in _MAY_BE_EMPTY:
        options = [option for option in options if option != _NULL]
        rest = {name: item for name, item in schema.items() if name not in ("anyOf", "default")}
        schema = {**rest, **options[0]} if len(options) == 1 else {**rest, "anyOf": options}
    if key == "properties":  # our own keys, which may be called title or default
        return {name: _plain(item, name) for name, item in schema.items()}
    return {name: _plain(item, name) for name, item in schema.items() if not _is_noise(name, item)}


def _is_noise(name: str, item: Any) -> bool:
    return name == "title" or (name == "default" and (item is None or isinstance(item, dict)))


if __name__ == "__main__":
    Path(__file__).with_name(SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
