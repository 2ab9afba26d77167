"""What would keep this project from running on this machine?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.ansible.config import ignored_keys
from orchestrator.files.definitions import find_root, load_project
from orchestrator.model.definitions import AnsibleSpec, Project, StageKind
from orchestrator.model.errors import DefinitionError, OrchestratorError, UsageError
from orchestrator.services.backends import BUILTIN
from orchestrator.setup.rows import Row, State
from orchestrator.store.opening import open_store
from orchestrator.trust.secrets import resolve, warning_for

_NOT_GUARANTEED = (
    "a write by whoever lost the lease is not refused there, a killed update leaves Pulumi's own "
    "lock, no version is kept by us"
)
_MAY_STAY = "it may stay: docs/backends.md"


def project_rows(directory: Path, variables: Mapping[str, str]) -> tuple[Row, ...]:
    """Rows about the project that a folder lies in; none where there is no project."""
    try:
        root = find_root(directory)
    except UsageError:
        return ()
    try:
        project = load_project(root)
    except DefinitionError as error:
        problems = f"{len(error.problems)} errors"
        return (_row("project", "valid files", problems, State.MISSING, "orchestrator validate"),)
    return (
        _row("project", "valid files", project.id, State.OK),
        _store(project),
        *_states(project),
        *_mirrors(root, project),
        *_configs(root, project),
        *_secrets(root, project, variables),
        *_credentials(project, variables),
    )


def _store(project: Project) -> Row:
    try:
        store = open_store(project.id, project.store)
    except OrchestratorError as error:
        return _row("store", "a store", error.what, State.MISSING, "orchestrator store init")
    return _row("store", "a store", str(store.folder), State.OK)


def _states(project: Project) -> Iterator[Row]:
    """What is not guaranteed where stacks lie elsewhere than in the store (docs/backends.md)."""
    try:
        with open_store(project.id, project.store).read() as tx:
            recorded = {
                (pipeline, name): tx.backend(pipeline, name)
                for pipeline in project.pipelines
                for name in project.environments
            }
    except OrchestratorError:
        recorded = {}
    for name, environment in project.environments.items():
        asked = environment.state.backend if environment.state else BUILTIN
        kept = {recorded.get((pipeline, name)) or asked for pipeline in project.pipelines}
        for backend in sorted(kept - {BUILTIN}):
            where = backend.partition("?")[0]
            found = f"{where}: {_NOT_GUARANTEED}"
            yield _row(f"state of {name}", "states in the store", found, State.WARN, _MAY_STAY)


def _mirrors(root: Path, project: Project) -> Iterator[Row]:
    """Whether updates can write their copies; what one could not write is told by `status`."""
    for name, environment in project.environments.items():
        if environment.state is None or not environment.state.mirror:
            continue
        folder = root / Path(environment.state.mirror).expanduser()
        there = next(path for path in (folder, *folder.parents) if path.exists())
        well = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
        found = str(folder) if well else f"{there} cannot be written to"
        fix = "" if well else "make it a folder that can be written to"
        state = State.OK if well else State.WARN
        yield _row(f"mirror of {name}", "a folder to write to", found, state, fix)


def _configs(root: Path, project: Project) -> Iterator[Row]:
    """What of an ansible.cfg does not hold, and why (design 1: kept by an allow-list)."""
    specs = [
        stage.spec
        for pipeline in project.pipelines.values()
        for stage in pipeline.stages.values()
        if isinstance(stage.spec, AnsibleSpec)
    ]
    for name in sorted({spec.config or "ansible.cfg" for spec in specs}):
        if not (root / name).is_file():
            continue
        ignored = ignored_keys(root / name, root)
        for section, option, why in ignored:
            found = f"[{section}] {option}: {why}"
            yield _row(
                name, "keys that hold here", found, State.WARN, "it may stay, but is not read here"
            )
        if not ignored:
            yield _row(name, "keys that hold here", "all hold", State.OK)


def _secrets(root: Path, project: Project, variables: Mapping[str, str]) -> Iterator[Row]:
    for environment in project.environments.values():
        for name, locator in environment.secrets.items():
            what = f"secret {name} of {environment.name}"
            try:
                resolve(locator, variables, root)
            except OrchestratorError as error:
                yield _row(what, locator, error.what, State.WARN, error.next or "provide it")
                continue
            warning = warning_for(locator, root)
            fix = "chmod 600 it" if warning else ""
            yield _row(what, locator, warning or "there", State.WARN if warning else State.OK, fix)


def _credentials(project: Project, variables: Mapping[str, str]) -> Iterator[Row]:
    """A listed variable that is not set is no error: a profile may come from a file instead."""
    for environment in project.environments.values():
        named = environment.credentials
        for kind, names in (
            (StageKind.PULUMI, named.pulumi),
            (StageKind.ANSIBLE, named.ansible),
            (StageKind.COMMAND, named.command),
        ):
            missing = [name for name in names if name not in variables]
            if missing:
                what = f"credentials of {environment.name}"
                listed = ", ".join(missing)
                fix = f"export {listed} where you run it"
                yield _row(what, f"for {kind.value}", f"not set: {listed}", State.WARN, fix)


def _row(name: str, needed: str, found: str, state: State, fix: str = "") -> Row:
    return Row(name=name, needed=needed, found=found, state=state, fix=fix)
