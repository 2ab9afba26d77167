"""Does the committed schema say what the reader reads?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.files import schema as module
from orchestrator.files.schema import SCHEMA_FILE, json_schema, schema_text
from orchestrator.files.sources import Source
from orchestrator.files.yaml_reader import read
from tests.files.projects import ACCESS, DEV, GATE, HEADER, ORCHESTRATOR, PROD
from tests.files.test_definitions import EVERYTHING


def documents(text: str) -> list[Any]:
    found, problems = read(Source("f.yaml", text))
    assert problems == ()
    return [document.data for document in found]


def test_in_step() -> None:
    """The committed file is what the code makes; `python -m orchestrator.files.schema` does."""
    committed = Path(module.__file__).with_name(SCHEMA_FILE)
    assert committed.read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize("text", [ORCHESTRATOR, DEV, PROD, GATE, ACCESS, HEADER + EVERYTHING])
def test_accepts_what_is_read(text: str) -> None:
    """An editor has nothing to say of files that are right, short forms included."""
    for document in documents(text):
        jsonschema.validate(document, json_schema())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("timeout: 20m", "tiemout: 20m"),
        ("timeout: 20m", "timeout: soon"),
        ("timeout: 20m", "when: never"),
        ("min: 1,", "min: one,"),
        ("kind: Pipeline", "kind: Pipline"),
    ],
)
def test_refuses_what_is_wrong(old: str, new: str) -> None:
    """An editor underlines what `validate` would refuse."""
    judge = jsonschema.Draft202012Validator(json_schema())
    changed = documents(ORCHESTRATOR.replace(old, new, 1))
    assert not all(judge.is_valid(document) for document in changed)


def test_every_key_is_described() -> None:
    """An editor has a sentence for every key that it completes."""
    bare = [
        f"{model}.{key}"
        for model, definition in json_schema()["$defs"].items()
        for key, item in definition["properties"].items()
        if not item["description"]
    ]
    assert bare == []


def test_kind_decides() -> None:
    """`kind` tells the five kinds apart."""
    assert json_schema()["discriminator"]["propertyName"] == "kind"
    assert len(json_schema()["oneOf"]) == 5
