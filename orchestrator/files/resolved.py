"""What does a pipeline look like as a tree of plain values, written as in its file?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import timedelta
from enum import Enum
from typing import Any

from orchestrator.core.scope import variables
from orchestrator.model.definitions import (
    AnsibleSpec,
    Environment,
    Pipeline,
    Retry,
    Stage,
    StageSpec,
)
from orchestrator.model.types import ValueType
from orchestrator.model.values import Reference, Secret, Text

_COMMON = ("title", "needs", "when", "timeout", "retry", "on_failure", "outputs", "irreversible")


def definition_tree(pipeline: Pipeline, environment: Environment) -> dict[str, Any]:
    """The pipeline in an environment, references left standing; what has its default left out."""
    return {
        "pipeline": pipeline.name,
        "environment": environment.name,
        "vars": dict(variables(pipeline, environment)),
        "secrets": dict(environment.secrets),
        "stages": {name: _stage(stage) for name, stage in pipeline.stages.items()},
    }


def length_text(length: timedelta) -> str:
    """A duration as it is written in a file: 1h30m."""
    seconds = int(length.total_seconds())
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _stage(stage: Stage) -> dict[str, Any]:
    tree: dict[str, Any] = {stage.kind.value: _spec(stage.spec)}
    tree |= _changed(stage, _COMMON)
    if stage.once:
        tree["once"] = "release"
    if stage.destroy:
        spec = _spec(stage.destroy)
        tree["destroy"] = spec if isinstance(stage.destroy, AnsibleSpec) else {"command": spec}
    return tree


def _spec(spec: StageSpec | Retry) -> dict[str, Any]:
    return _changed(spec, tuple(field.name for field in fields(spec)))


def _changed(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields that are not what they are when nothing is said."""
    defaults = {
        field.name: field.default_factory()
        if field.default_factory is not MISSING
        else field.default
        for field in fields(value)
    }
    return {
        name.rstrip("_"): _plain(getattr(value, name))
        for name in names
        if getattr(value, name) != defaults[name]
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Reference | Text | Secret):
        return value
    if isinstance(value, timedelta):
        return length_text(value)
    if isinstance(value, ValueType):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Retry):
        return _spec(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
