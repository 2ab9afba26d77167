"""Which definitions do a project's files hold, whatever else is wrong with them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from orchestrator.files.build_environment import environment_of
from orchestrator.files.build_pipeline import pipeline_of
from orchestrator.files.complaints import without
from orchestrator.files.extends import extended
from orchestrator.files.kinds.access import AccessKeys
from orchestrator.files.kinds.environment import EnvironmentKeys
from orchestrator.files.kinds.gate import GateKeys
from orchestrator.files.kinds.pipeline import PipelineKeys
from orchestrator.files.kinds.project import ProjectKeys
from orchestrator.files.loading import Loaded, Reading, with_left_out
from orchestrator.files.yaml_reader import Document
from orchestrator.model.definitions import Environment, Gate, Pipeline
from orchestrator.model.positions import Position, Problem

PROJECT_FILE = "orchestrator.yaml"
INVENTORIES = "inventories"


@dataclass(slots=True, kw_only=True)
class Collected:
    """All definitions that could be made, by name; what is wrong is in the reading."""

    project: Loaded[ProjectKeys] | None = None
    pipelines: dict[str, Loaded[Pipeline]] = field(default_factory=dict)
    environments: dict[str, Loaded[Environment]] = field(default_factory=dict)
    gates: dict[str, Loaded[Gate]] = field(default_factory=dict)
    access: Loaded[AccessKeys] | None = None
    named: dict[str, set[str]] = field(default_factory=dict)  # kind -> names, broken ones too
    broken: set[str] = field(default_factory=set)  # files that may hold more than could be read

    def may_have_more(self, *folders: str) -> bool:
        """Whether a file below one of these could not be read as a whole."""
        return any(file.startswith(folders) for file in self.broken)


def collect(reading: Reading, environments_from: Mapping[str, FilePath]) -> Collected:
    """Reads every definition file. environments_from: see definitions.load_project."""
    collecting = _Collecting(reading)
    collecting.read(PROJECT_FILE, ("Project", "Pipeline"))
    for file in _yaml_files(reading.root, "pipelines"):
        collecting.read(file, ("Pipeline",))
    for file in _yaml_files(reading.root, "policies"):
        collecting.read(file, ("Gate", "Access"))
    for name in _environment_names(reading.root, environments_from):
        collecting.environment(name, environments_from.get(name, reading.root))
    collecting.finish()
    return collecting.collected


class _Collecting:
    def __init__(self, reading: Reading) -> None:
        self.collected = Collected(broken=reading.broken)
        self._reading = reading

    def read(self, file: str, kinds: tuple[str, ...]) -> None:
        for document in self._reading.documents(file):
            if document.data is None:
                continue  # nothing between two '---'
            kind = self._reading.kind(document, kinds)
            if kind:
                getattr(self, f"_{kind.lower()}")(document)

    def environment(self, name: str, root: FilePath) -> None:
        """Reads inventories/<name>/environment.yaml below a root, and all it extends."""
        file = f"{INVENTORIES}/{name}/environment.yaml"
        documents = self._reading.documents(file, root)
        if not documents:
            self.collected.named.setdefault("Environment", set()).add(name)
            return
        document = documents[0]
        self.collected.named.setdefault("Environment", set()).add(name)
        for other in documents[1:]:
            self._complain("only one environment may stand in this file", other)
        if not self._reading.kind(document, ("Environment",)):
            return
        merged, files, left_out = extended(document, file, self._reading, root)
        loaded = self._reading.checked(merged, EnvironmentKeys, "Environment")
        if loaded is None:
            return
        if loaded.value.name != name:
            at = merged.place(("name",)).value
            message = f"'name' must be {name}, like its folder, not '{loaded.value.name}'"
            self._reading.complain([Problem(message=message, position=at)])
        value = replace(environment_of(loaded.value, merged, files), name=name)
        self.collected.environments[name] = with_left_out(loaded, value, left_out)

    def finish(self) -> None:
        if self.collected.project or "Project" in self.collected.named:
            return
        if not (self._reading.root / PROJECT_FILE).is_file():
            return  # told already
        at = Position(file=PROJECT_FILE, line=1, column=1)
        help = "it needs a document with kind: Project and an id"
        problem = Problem(message="there is no Project in this file", position=at, help=help)
        if not any(p.position and p.position.file == PROJECT_FILE for p in self._reading.problems):
            self._reading.complain([problem])

    def _project(self, document: Document) -> None:
        if self._is_second("Project", "", document):
            return
        self.collected.project = self._reading.checked(document, ProjectKeys, "Project")

    def _pipeline(self, document: Document) -> None:
        if self._is_second("Pipeline", document.data.get("name"), document):
            return
        loaded = self._reading.checked(document, PipelineKeys, "Pipeline")
        if loaded is None:
            return
        pipeline, problems, left_out = pipeline_of(loaded.value, document, loaded.file)
        self._reading.complain(problems)
        self.collected.pipelines[pipeline.name] = with_left_out(loaded, pipeline, left_out)

    def _gate(self, document: Document) -> None:
        if self._is_second("Gate", document.data.get("name"), document):
            return
        loaded = self._reading.checked(document, GateKeys, "Gate")
        if loaded is None:
            return
        at = document.place(()).value
        body = without(document.data, loaded.left_out)
        gate = Gate(name=loaded.value.name, body=body, position=at)
        self.collected.gates[gate.name] = with_left_out(loaded, gate, frozenset())

    def _access(self, document: Document) -> None:
        if not self._is_second("Access", "", document):
            self.collected.access = self._reading.checked(document, AccessKeys, "Access")

    def _is_second(self, kind: str, name: Any, document: Document) -> bool:
        """Whether there is one of that kind and name already, which is a problem."""
        names = self.collected.named.setdefault(kind, set())
        if not isinstance(name, str) or name not in names:
            names.add(str(name))
            return False
        called = f" called '{name}'" if name else ""
        self._complain(f"there is a {kind}{called} already", document)
        return True

    def _complain(self, message: str, document: Document) -> None:
        at = document.place(("name",)).value
        self._reading.complain([Problem(message=message, position=at)])


def _yaml_files(root: FilePath, folder: str) -> Iterator[str]:
    found = [*(root / folder).glob("*.yaml"), *(root / folder).glob("*.yml")]
    yield from (f"{folder}/{path.name}" for path in sorted(found) if path.is_file())


def _environment_names(root: FilePath, elsewhere: Mapping[str, FilePath]) -> list[str]:
    files = (root / INVENTORIES).glob("*/environment.yaml")
    return sorted({path.parent.name for path in files} | set(elsewhere))
