"""How do the roles and collections of a requirements.yml get here, once?"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from orchestrator.ansible.launch import Command
from orchestrator.ansible.texts import clipped, plain
from orchestrator.model.definitions import AnsibleSpec
from orchestrator.model.errors import DefinitionError, OrchestratorError, ToolError
from orchestrator.model.events import LogLine, Progress
from orchestrator.model.positions import Problem
from orchestrator.model.work import Work
from orchestrator.ports import Report
from orchestrator.procs import run

_UNREACHABLE = (  # three ways in which ansible-galaxy says that nobody answered
    "unknown error when attempting to call galaxy",
    "requirements conflict",
    "failed to resolve the requested dependencies map",
    "was not found on galaxy",
    "failed to download the file",
    "error while making the request",
    "unable to connect to galaxy",
    "could not be downloaded",
    "- you can use --ignore-errors to skip failed roles",
    "connection refused",
    "name or service not known",
    "temporary failure in name resolution",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Folders to look for roles and collections in; empty where nothing was required."""

    roles: tuple[Path, ...] = ()
    collections: tuple[Path, ...] = ()


class GalaxyUnreachable(ToolError):
    """The requirements could not be fetched; whatever else holds, another try may help."""


class Interrupted(OrchestratorError):
    """Stopped by the stage's cancel token before anything was started."""


def installed_requirements(
    work: Work, spec: AnsibleSpec, command: Command, report: Report
) -> Installed:
    """Installs what the requirements name, unless the cache has it; keyed by their content.

    command: ansible-galaxy without arguments. Raises DefinitionError where the file is wrong,
    GalaxyUnreachable or ToolError where it cannot be installed, Interrupted where it was stopped.
    """
    if not spec.requirements:
        return Installed()
    path = work.project / spec.requirements
    wanted = _wanted(work, spec, path)
    kept = work.cache / "galaxy" / _key(path, command, work.project)
    if not kept.is_dir():
        report(Progress(text=f"installing {spec.requirements}"))
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix="new-", dir=kept.parent))
        try:
            for kind in wanted:
                _install(work, kind, path, fresh / kind, command, report)
            _put(fresh, kept)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return Installed(roles=(kept / "role",), collections=(kept / "collection",))


def _wanted(work: Work, spec: AnsibleSpec, path: Path) -> Sequence[str]:
    """`role`, `collection` or both. A list is the old form, of roles alone."""
    if not path.is_file() or not path.resolve().is_relative_to(work.project.resolve()):
        _refuse(work, f"requirements '{spec.requirements}' is no file of the project")
    try:
        document: Any = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        _refuse(work, f"requirements '{spec.requirements}': {' '.join(str(error).split())}")
    if isinstance(document, list):
        return ("role",)
    if not isinstance(document, Mapping):
        return ()
    return tuple(kind for kind in ("role", "collection") if document.get(f"{kind}s"))


def _install(
    work: Work, kind: str, path: Path, into: Path, command: Command, report: Report
) -> None:
    said: list[str] = []

    def hear(stream: str, line: str) -> None:
        text = plain(line)
        said.append(text)
        report(LogLine(text=text, stream=stream))

    into.mkdir(mode=0o700)
    argv = [*command.argv, kind, "install", "-r", str(path), "-p", str(into)]
    code = run(argv, work=work, env=command.env, directory=command.directory, on_line=hear)
    if work.cancel.asked:
        raise Interrupted(f"installing {path.name} was stopped.")
    if code != 0:
        raise failure_to_install(path.name, "\n".join(said))


def failure_to_install(name: str, said: str) -> ToolError:
    """What a failed ansible-galaxy means."""
    if any(text in said.lower() for text in _UNREACHABLE):
        return GalaxyUnreachable(
            f"galaxy unreachable: what {name} asks for could not be fetched "
            f"({clipped(_last(said), 300)}).",
            holds="Nothing was started.",
            next="Vendor a tarball (`type: file`), or put the `ansible` PyPI package into the "
            "stage's virtualenv, which brings the usual collections.",
        )
    return ToolError(
        f"{name} could not be installed: {clipped(said.strip(), 1000)}",
        holds="Nothing was started.",
    )


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if "ERROR" in line or "WARNING" in line]
    return (lines or said.splitlines() or [""])[-1].strip()


def _key(path: Path, command: Command, project: Path) -> str:
    """By what is asked for, what the project itself brings of it, and who installs it."""
    told = hashlib.sha256(path.read_bytes() + b"\0" + os.fsencode(command.argv[0]))
    for file in sorted(_own_files(yaml.safe_load(path.read_text("utf-8")), project)):
        told.update(b"\0" + os.fsencode(file.name) + b"\0" + file.read_bytes())
    return told.hexdigest()[:32]


def _own_files(tree: Any, project: Path) -> Iterator[Path]:
    """Archives, folders and included lists that lie here: they change under the same name."""
    if isinstance(tree, str) and tree.strip():
        place = project / tree.removeprefix("file://").partition(",")[0]
        found = place.rglob("*") if place.is_dir() else (place,)
        yield from (file for file in found if file.is_file())
    elif isinstance(tree, Mapping | list):
        for item in tree.values() if isinstance(tree, Mapping) else tree:
            yield from _own_files(item, project)


def _put(fresh: Path, kept: Path) -> None:
    """Another attempt may have been first; then its copy is as good."""
    try:
        fresh.rename(kept)
    except OSError:
        if not kept.is_dir():
            raise


def _refuse(work: Work, message: str) -> NoReturn:
    raise DefinitionError([Problem(message=f"stage '{work.stage}': {message}")])
