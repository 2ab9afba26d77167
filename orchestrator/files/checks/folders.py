"""Are the files that a pipeline names there, inside the project?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from orchestrator.core.references import has_references, resolve
from orchestrator.core.scope import variables
from orchestrator.files.collecting import INVENTORIES, Collected
from orchestrator.files.complaints import place_of
from orchestrator.files.loading import Loaded
from orchestrator.files.plain_yaml import plain_yaml
from orchestrator.files.sources import Path
from orchestrator.files.words import did_you_mean
from orchestrator.model.definitions import (
    AnsibleSpec,
    CommandSpec,
    Environment,
    Pipeline,
    PulumiSpec,
    Stage,
)
from orchestrator.model.errors import DefinitionError
from orchestrator.model.positions import Problem
from orchestrator.model.values import Reference, Tree

PULUMI_FILES = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")


def folder_problems(
    loaded: Loaded[Pipeline], collected: Collected, root: FilePath
) -> Iterator[Problem]:
    """Missing files and folders, and settings that stand in two places."""
    looking = _Looking(loaded, root)
    for name, artifact in loaded.value.artifacts.items():
        yield from looking.at(artifact.path, ("artifacts", name, "path"), "artifact")
    for stage in loaded.value.stages.values():
        path: Path = ("stages", stage.name, stage.kind.value)
        yield from looking.spec(stage.spec, path)
        if stage.destroy:
            yield from looking.spec(stage.destroy, ("stages", stage.name, "destroy"))
        if isinstance(stage.spec, PulumiSpec):
            yield from _twice_configured(stage, stage.spec, loaded, collected, root)


class _Looking:
    def __init__(self, loaded: Loaded[Pipeline], root: FilePath) -> None:
        self._loaded = loaded
        self._root = root

    def spec(self, spec: Any, path: Path) -> Iterator[Problem]:
        match spec:
            case PulumiSpec():
                yield from self._stack(spec.project, (*path, "project"))
            case AnsibleSpec():
                yield from self.at(spec.playbook, (*path, "playbook"), "playbook")
                yield from self.at(spec.config, (*path, "config"), "Ansible configuration")
                yield from self.at(spec.requirements, (*path, "requirements"), "requirements file")
                for index, entry in enumerate(spec.inventory):
                    if isinstance(entry, str) and not self._of_environment(entry):
                        where = (*path, "inventory", index)
                        yield from self.at(entry, where, "inventory")
            case CommandSpec():
                yield from self.at(spec.directory, (*path, "directory"), "folder")

    def at(self, name: str, path: Path, what: str) -> Iterator[Problem]:
        """What is wrong with a path in the project; nothing where it is empty."""
        if not name:
            return
        at = place_of(self._loaded.document, path).value
        file = self._root / name
        if not file.resolve().is_relative_to(self._root.resolve()):
            message = f"the {what} '{name}' is outside the project"
            yield Problem(message=message, position=at, help="name it relative to the project root")
        elif not file.exists():
            message = f"the {what} '{name}' does not exist"
            yield Problem(message=message, position=at, help=self._near(name))

    def _stack(self, name: str, path: Path) -> Iterator[Problem]:
        missing = list(self.at(name, path, "stack's folder"))
        yield from missing
        folder = self._root / name
        if not missing and not any((folder / file).is_file() for file in PULUMI_FILES):
            at = place_of(self._loaded.document, path).value
            message = f"there is no Pulumi.yaml in '{name}'"
            found = [str(f.parent.relative_to(self._root)) for f in folder.glob("*/Pulumi.yaml")]
            yield Problem(message=message, position=at, help=did_you_mean(name, found))

    def _of_environment(self, name: str) -> bool:
        """Whether an environment has it beside its environment.yaml, where it is looked for too."""
        return any((folder / name).exists() for folder in (self._root / INVENTORIES).glob("*/"))

    def _near(self, name: str) -> str:
        """What there is beside the missing file, where something is much like it."""
        parent = (self._root / name).parent
        if not parent.is_dir():
            return ""
        base = parent.relative_to(self._root)
        help = did_you_mean(name, [str(base / other.name) for other in sorted(parent.iterdir())])
        return help if "?" in help else ""


def _twice_configured(
    stage: Stage,
    spec: PulumiSpec,
    loaded: Loaded[Pipeline],
    collected: Collected,
    root: FilePath,
) -> Iterator[Problem]:
    """Keys of `config` that the stack's own file has too: ours win, which may surprise."""
    project = project_name(root / spec.project)
    for environment in collected.environments.values():
        name = stack_name(spec.stack, loaded.value, environment.value)
        file = FilePath(spec.project) / f"Pulumi.{name}.yaml"
        theirs = _config(root / file)
        for key in spec.config:
            full = key if ":" in key else f"{project}:{key}"
            if full in theirs:
                path: Path = ("stages", stage.name, "pulumi", "config", key)
                yield Problem(
                    message=f"'{key}' is set here and in {file}; this one wins",
                    position=place_of(loaded.document, path).named,
                    help="keep it in one place",
                    severity="warning",
                )


def project_name(folder: FilePath) -> str:
    """The `name:` of a Pulumi.yaml; empty where there is none."""
    return str(_mapping(folder / "Pulumi.yaml").get("name", ""))


def _config(file: FilePath) -> Mapping[str, Any]:
    config = _mapping(file).get("config")
    return config if isinstance(config, Mapping) else {}


def _mapping(file: FilePath) -> Mapping[str, Any]:
    """A YAML file of Pulumi's; empty where there is none, or none that can be read."""
    try:
        data = plain_yaml(file) if file.is_file() else None
    except DefinitionError:
        return {}  # Pulumi itself tells what is wrong with its own files
    return data if isinstance(data, Mapping) else {}


def stack_name(stack: Tree, pipeline: Pipeline, environment: Environment) -> str:
    """The stack's name in an environment; empty where it is known only in a run."""
    values = variables(pipeline, environment)

    def known(reference: Reference) -> Tree:
        if str(reference) == "env.name":
            return environment.name
        return values.get(reference.path[1], "") if reference.path[0] == "vars" else ""

    try:
        name = resolve(stack, known) if stack else environment.name
    except ValueError:
        return ""
    return name if isinstance(name, str) and not has_references(name) else ""
