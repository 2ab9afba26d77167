"""From which files does a run run? A frozen release and the environment's own files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from orchestrator.core.references import references_in
from orchestrator.files.environment_digest import (
    environment_digest,
    environment_files,
    materialise_environment,
)
from orchestrator.files.snapshots import materialise, store_release, take
from orchestrator.model.definitions import Environment, Pipeline
from orchestrator.model.errors import Refused
from orchestrator.model.runs import Run
from orchestrator.services.app import App
from orchestrator.trust.secrets import file_of, resolve, version_of

PINNED = ("orchestrator", "pulumi", "ansible-core", "ansible-runner")
"""Distributions whose exact versions are part of a release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    release: str  # digest
    environment_digest: str


def prepared(app: App, pipeline: Pipeline, environment: Environment) -> Sources:
    """The working tree as a stored release, and the digest of the environment beside it.

    Raises ReleaseError, SecretError: every secret that the run will need is looked at now.
    """
    snapshot = take(
        app.root,
        versions={name: version(name) for name in PINNED},
        artifacts={artifact.name: artifact.path for artifact in pipeline.artifacts.values()},
        secret_files=_secret_files(app),
        cache=app.folder("cache"),
    )
    digest = digest_of_environment(app, pipeline, environment)
    with app.store.write() as tx:
        store_release(snapshot, app.root, tx, label=pipeline.name, at=app.clock.now())
    return Sources(release=snapshot.digest, environment_digest=digest)


def digest_of_environment(app: App, pipeline: Pipeline, environment: Environment) -> str:
    """Over its files and the versions of the secrets this pipeline uses in it."""
    files = environment_files(app.root, environment, cache=app.folder("cache"))
    return environment_digest(files, _secret_versions(app, pipeline, environment))


def settled(app: App, run: Run, environment: Environment, pipeline: Pipeline) -> None:
    """The release and the environment stand at their stable paths. Only under the lease.

    What this very run laid there already is left as it is, whatever the checkout says by now.
    Raises Refused where the environment's files are no longer those of the run.
    """
    folder = app.tree(run.key.pipeline, run.key.environment)
    with app.store.read() as tx:
        materialise(tx, run.release, folder / "tree")
    mark = folder / "environment.digest"
    if _text(mark) == run.environment_digest:
        return
    same_environment(app, run, environment, pipeline)
    files = environment_files(app.root, environment, cache=app.folder("cache"))
    mark.unlink(missing_ok=True)  # whoever dies from here on leaves a mixture, and no mark
    materialise_environment(app.root, environment, files, folder / "inventories" / environment.name)
    mark.write_text(run.environment_digest, encoding="utf-8")


def same_environment(app: App, run: Run, environment: Environment, pipeline: Pipeline) -> None:
    """Raises Refused where the environment's files or secrets changed since the run began."""
    if digest_of_environment(app, pipeline, environment) == run.environment_digest:
        return
    raise Refused(
        f"inventories/{environment.name}, what it extends, or a secret of it changed since "
        f"{app.spoken(run.key)} began, so that run cannot go on.",
        holds="Nothing was started.",
        next=f"Start anew: orchestrator up {environment.name}",
    )


def _secret_versions(app: App, pipeline: Pipeline, environment: Environment) -> Mapping[str, str]:
    trees = [stage.spec for stage in pipeline.stages.values()]
    trees += [stage.destroy for stage in pipeline.stages.values() if stage.destroy]
    used = {ref.path[1] for ref in references_in(trees) if ref.path[0] == "secrets"}
    used |= {ref.path[1] for ref in references_in(environment.vars) if ref.path[0] == "secrets"}
    return {
        name: version_of(
            locator := environment.secrets[name],
            resolve(locator, app.variables, app.root),
            app.vault,
        )
        for name in sorted(used)
    }


def _secret_files(app: App) -> list[Path]:
    """Files that secrets are read from: in no release, for releases are stored in clear."""
    environments = app.project.environments.values()
    locators = [locator for each in environments for locator in each.secrets.values()]
    return [path for each in locators if (path := file_of(each, app.root)) is not None]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
