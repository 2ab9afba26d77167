"""What exactly is a stage asked to do? Its spec, every reference resolved, and what it needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from orchestrator.core.nodes import timeout_of
from orchestrator.core.references import has_references, references_in, resolve, resolve_spec
from orchestrator.model.codec import decode_value, encode
from orchestrator.model.definitions import (
    AnsibleSpec,
    Environment,
    Pipeline,
    PulumiSpec,
    Stage,
    StageKind,
    StageSpec,
)
from orchestrator.model.errors import OrchestratorError
from orchestrator.model.runs import Action, Run
from orchestrator.model.values import Json, Reference, Secret, Tree, leaves, secrets_in
from orchestrator.model.work import StackTarget, Work
from orchestrator.services.app import App
from orchestrator.services.backends import backend_url


class MissingOutput(OrchestratorError):
    """A stage needs an output that nobody has recorded."""

    def __init__(self, reference: Reference, stage: str) -> None:
        super().__init__(
            f"'{reference}' is not known: stage {stage} has no recorded outputs here.",
            holds="Nothing was started.",
            next=f"Run that stage first, or with it: --select '{stage}...'",
        )
        self.reference = reference


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What all stages of a run share, as it was when the run was started."""

    run: Run
    pipeline: Pipeline
    environment: Environment
    release_name: str
    artifacts: Mapping[str, Json]  # name -> {"path", "digest"}
    tree: Path  # …/tree holds the release, …/inventories/<env> the environment


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOrder:
    work: Work
    variables: Mapping[str, str]  # handed over the socket, never written
    digest: str  # of all that the stage stands on


OutputsOf = Callable[[str], Mapping[str, Json] | None]


def stage_order(
    app: App,
    context: RunContext,
    stage: Stage,
    *,
    attempt: int,
    action: Action,
    outputs_of: OutputsOf,
    may_skip_for: Callable[[str], bool] = lambda _: False,
    only_hosts: tuple[str, ...] = (),
) -> StageOrder:
    """The order for one attempt. Raises MissingOutput, or ReferenceProblem's OrchestratorError."""
    spec, kind, act = _spec_for(stage, action)
    lookup = Lookup(app, context, outputs_of, lenient=action is Action.DESTROY)
    data = _data_vars(spec)
    resolved = lookup.resolved(spec)
    digest = inputs_digest(app, context, stage, resolved)
    locators = _locators(app, context.environment, resolved)
    key = context.run.key
    mark = f"{app.store.id}:{key}/{stage.name}/{attempt}"
    names = _credential_names(context.environment, kind)
    work = Work(
        run=key,
        stage=stage.name,
        attempt=attempt,
        action=act,
        kind=kind,
        spec=resolved,
        project=context.tree / "tree",
        inventories=context.tree / "inventories" / context.environment.name,
        checkout=app.root,
        folder=app.run_folder(key) / f"{stage.name}-{attempt}",
        cache=app.folder("cache"),
        tools=app.tools() if kind is StageKind.PULUMI else {},
        credentials={name: "" for name in names if name in app.variables},
        outputs=stage.outputs if act is not Action.DESTROY else {},
        stack=_stack(app, context, stage, resolved) if isinstance(resolved, PulumiSpec) else None,
        data_vars=data,
        only_hosts=only_hosts,
        secrets=locators,
        hidden=tuple(Secret(leaf) for leaf in dict.fromkeys(lookup.secrets)),
        may_skip=action is Action.APPLY and may_skip_for(digest),
        lease_token=context.run.lease_token if key.number else 0,
        where=str(stage.position),
        mark=mark,
        timeout=timeout_of(stage),
        grace=app.grace,
    )
    variables = {name: app.variables[name] for name in names if name in app.variables}
    for locator in locators.values():
        name = locator.removeprefix("env://")
        if locator.startswith("env://") and name in app.variables:
            variables[name] = app.variables[name]
    return StageOrder(work=work, variables=variables, digest=digest)


class Lookup:
    """What each reference of a run stands for; `secrets.x` stays, the attempt resolves it."""

    def __init__(
        self, app: App, context: RunContext, outputs_of: OutputsOf, *, lenient: bool = False
    ) -> None:
        self._app = app
        self._context = context
        self._outputs_of = outputs_of
        self._lenient = lenient  # destroy: what was never made has no outputs
        self.secrets: list[str] = []  # every secret text that was looked up

    def resolved(self, spec: StageSpec) -> StageSpec:
        if not self._lenient:
            return resolve_spec(spec, self)
        return resolve_spec(_without_unknown(spec, self), self)

    def __call__(self, reference: Reference) -> Tree:
        found = self._found(reference)
        self.secrets += [str(leaf) for value in secrets_in(found) for leaf in leaves(value)]
        return found

    def _found(self, reference: Reference) -> Tree:
        match reference.path:
            case ("vars", name):
                return self._variable(name)
            case ("stages", stage, "outputs", name):
                return self._output(reference, stage, name)
            case ("env", "name"):
                return self._context.environment.name
            case ("release", "name"):
                return self._context.release_name
            case ("release", "digest"):
                return self._context.run.release
            case ("release", "artifacts", name, "path"):
                path = self._context.pipeline.artifacts[name].path
                return str(self._context.tree / "tree" / path)
            case ("release", "artifacts", name, "digest"):
                entry = self._context.artifacts[name]
                assert isinstance(entry, Mapping)
                return str(entry["digest"])
        return reference

    def _variable(self, name: str) -> Tree:
        environment, declared = self._context.environment, self._context.pipeline.vars[name]
        value = environment.vars.get(name, declared.default)
        return resolve(value, self) if has_references(value) else value

    def _output(self, reference: Reference, stage: str, name: str) -> Tree:
        outputs = self._outputs_of(stage)
        if outputs is None or name not in outputs:
            raise MissingOutput(reference, stage)
        return decode_value(outputs[name], self._app.vault.open)


def inputs_digest(app: App, context: RunContext, stage: Stage, resolved: StageSpec) -> str:
    """sha256 over all that a stage stands on: spec, release, environment, kind; secrets keyed."""
    body = {
        "stage": stage.name,
        "kind": stage.kind.value,
        "spec": encode(resolved, app.vault.keyed_hash),
        "venv": _installed(app.root, resolved),
        "release": context.run.release,
        "environment": context.run.environment_digest,
    }
    # Not RFC 8785, which has no form for integers beyond 2^53 and lone surrogates: tools have.
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _installed(root: Path, spec: StageSpec) -> list[str]:
    """Names and versions of what a stage's own virtualenv has: it lies in no release."""
    if not isinstance(spec, AnsibleSpec) or not spec.venv:
        return []
    found = (root / spec.venv).glob("lib/python*/site-packages/*.dist-info")
    return sorted(path.stem for path in found)


def _spec_for(stage: Stage, action: Action) -> tuple[StageSpec, StageKind, Action]:
    """A stage with a `destroy` playbook or command is destroyed by applying that."""
    if action is not Action.DESTROY or stage.destroy is None:
        return stage.spec, stage.kind, action
    kind = StageKind.ANSIBLE if isinstance(stage.destroy, AnsibleSpec) else StageKind.COMMAND
    return stage.destroy, kind, Action.APPLY


def _without_unknown(spec: StageSpec, lookup: Lookup) -> StageSpec:
    """A Pulumi spec without the config entries whose references nobody can resolve any more.

    destroy does not run the program; what never came cannot be needed to take it away.
    """
    if not isinstance(spec, PulumiSpec):
        return spec

    def known(tree: Tree) -> bool:
        try:
            resolve(tree, lookup)
        except MissingOutput:
            return False
        return True

    return replace(spec, config={key: item for key, item in spec.config.items() if known(item)})


def _data_vars(spec: StageSpec) -> tuple[str, ...]:
    if not isinstance(spec, AnsibleSpec):
        return ()
    return tuple(name for name, tree in spec.vars.items() if has_references(tree))


def _locators(app: App, environment: Environment, resolved: StageSpec) -> dict[str, str]:
    names = {ref.path[1] for ref in references_in(resolved) if ref.path[0] == "secrets"}
    locators = ((name, environment.secrets[name]) for name in sorted(names))
    return {name: _absolute(app.root, locator) for name, locator in locators}


def _absolute(root: Path, locator: str) -> str:
    scheme, _, rest = locator.partition("://")
    if scheme != "file" or rest.startswith(("/", "~")):
        return locator
    return f"file://{root / rest}"


def _credential_names(environment: Environment, kind: StageKind) -> tuple[str, ...]:
    named = environment.credentials
    return {
        StageKind.PULUMI: named.pulumi,
        StageKind.ANSIBLE: named.ansible,
        StageKind.COMMAND: named.command,
    }.get(kind, ())


def _stack(app: App, context: RunContext, stage: Stage, spec: PulumiSpec) -> StackTarget:
    key = context.run.key
    return StackTarget(
        backend=backend_url(app, key.pipeline, context.environment),
        name=str(spec.stack or key.environment),
        passphrase=Secret(app.vault.derive("pulumi passphrase")),
        keep=app.folder("stacks", "kept", key.pipeline, key.environment, stage.name),
        lease_token=context.run.lease_token,
        mirror=_mirror(app, context.environment),
    )


def _mirror(app: App, environment: Environment) -> str:
    """The folder, absolute; a relative one is the project's."""
    mirror = environment.state.mirror if environment.state else ""
    return str(app.root / Path(mirror).expanduser()) if mirror else ""
