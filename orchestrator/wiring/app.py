"""How does a checkout become an App? Root, project, store, keys, clock, and the warm parent."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.files.definitions import find_root, load_project, load_what_is_right
from orchestrator.model.codec import decode
from orchestrator.model.definitions import Environment, Pipeline, Project
from orchestrator.ports import Store
from orchestrator.services.app import App
from orchestrator.store.opening import open_store
from orchestrator.trust.vault import Keys, StoreVault
from orchestrator.wiring.clock import SystemClock
from orchestrator.wiring.parents import LazyParent
from orchestrator.wiring.store_access import handed_over

_LOOKED_AT = 200  # runs, where files cannot be read


@contextmanager
def opened_app(directory: Path, *, warm: bool = False, of_runs: bool = False) -> Iterator[App]:
    """The App of the project that a folder lies in.

    warm: start the parent of attempts now, so that its imports go on meanwhile. of_runs: only runs
    that were begun already are asked for: a mistake in today's files keeps nobody from them. Raises
    DefinitionError, StoreMissing, WrongStore, SecretError.
    """
    attempts = LazyParent()
    if warm:
        attempts.begin()
    try:
        root = find_root(directory)
        project, errors = load_what_is_right(root) if of_runs else (load_project(root), 0)
        store = open_store(project.id, project.store)
        if errors:
            project = _with_recorded(project, store)
        yield App(
            root=root,
            project=project,
            store=store,
            vault=StoreVault(Keys.load(store.folder / "keys.json")),
            clock=SystemClock(),
            actor=actor(),
            variables=dict(os.environ),
            start_attempt=partial(_start, attempts, handed_over(project.store, os.environ)),
            tools=tools,
        )
    finally:
        attempts.close()


def _with_recorded(project: Project, store: Store) -> Project:
    """The project, and what cannot be read of it as the newest run had it."""
    pipelines, environments = dict(project.pipelines), dict(project.environments)
    with store.read() as tx:
        for run in tx.runs(limit=_LOOKED_AT):
            definition = run.definition
            if run.key.pipeline not in pipelines:
                pipelines[run.key.pipeline] = decode(Pipeline, definition["pipeline"])
            if run.key.environment not in environments:
                environments[run.key.environment] = decode(Environment, definition["environment"])
    return replace(project, pipelines=pipelines, environments=environments)


def _start(
    attempts: LazyParent,
    store: Mapping[str, str],
    folder: AttemptFolder,
    variables: Mapping[str, str],
) -> None:
    attempts.start(folder, {**variables, **store})


def tools() -> Mapping[str, Path]:
    """The programs that executors are handed. Raises ToolError naming the fix."""
    from orchestrator.setup.pulumi_cli import find_pulumi  # for runs only: 15 ms of a start

    return {"pulumi": find_pulumi(os.environ)}


def actor() -> str:
    """Who acts, as the record names them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()} pid {os.getpid()}"
