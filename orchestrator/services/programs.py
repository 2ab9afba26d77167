"""By which name does a backend know a Pulumi project? By that of its Pulumi.yaml."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from orchestrator.files.plain_yaml import plain_yaml
from orchestrator.model.errors import DefinitionError


def program_name(folder: Path) -> str:
    """Empty where it cannot be read: the attempt itself says what is wrong with it."""
    for name in ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json"):
        path = folder / name
        with suppress(DefinitionError, OSError):
            body = plain_yaml(path) if path.is_file() else None
            if isinstance(body, dict) and body.get("name"):
                return str(body["name"])
    return ""
