"""How does a checked Pipeline document become the model's Pipeline?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.files.kinds.common import LimitsKeys
from orchestrator.files.kinds.pipeline import PipelineKeys, VariableKeys
from orchestrator.files.kinds.stage import (
    STAGE_KINDS,
    AnsibleKeys,
    ApprovalKeys,
    CheckKeys,
    CommandKeys,
    DestroyKeys,
    PulumiKeys,
    RetryKeys,
    StageKeys,
)
from orchestrator.files.sources import Path
from orchestrator.files.yaml_reader import Document
from orchestrator.model.definitions import (
    AnsibleSpec,
    ApprovalSpec,
    Artifact,
    Cause,
    CheckSpec,
    CommandSpec,
    HostKeys,
    Limits,
    OnFailure,
    Pipeline,
    PulumiSpec,
    Retry,
    Skip,
    Stage,
    StageKind,
    StageSpec,
    Variable,
    When,
)
from orchestrator.model.positions import Position, Problem

_UNINHERITED = ("tags", "skip_tags")  # what a destroy playbook does not take from its stage


def pipeline_of(
    keys: PipelineKeys, document: Document, file: str
) -> tuple[Pipeline, tuple[Problem, ...], frozenset[Path]]:
    """The pipeline, stages without one clear kind left out, with the problem and path of each."""
    problems: list[Problem] = []
    left_out: set[Path] = set()
    stages: dict[str, Stage] = {}
    for name, stage in keys.stages.items():
        found = _kind_problem(name, stage, document)
        if found:
            problems.append(found)
            left_out.add(("stages", name))
        else:
            stages[name] = _stage(name, stage, document)
    pipeline = Pipeline(
        name=keys.name,
        vars={name: _variable(name, item, document) for name, item in keys.vars.items()},
        artifacts={n: Artifact(name=n, path=item.path) for n, item in keys.artifacts.items()},
        stages=stages,
        limits=limits_of(keys.limits),
        positions=positions_of(document),
        file=file,
    )
    return pipeline, tuple(problems), frozenset(left_out)


def limits_of(keys: LimitsKeys) -> Limits:
    """Only the kinds that have a limit are named in it."""
    widths = {kind: getattr(keys, kind.value) for kind in StageKind}
    return Limits(run=keys.run, kinds={kind: width for kind, width in widths.items() if width})


def positions_of(document: Document) -> Mapping[str, Position]:
    """By path, `stages.hosts.needs.0`: a map's or a list's key, any other value itself."""
    places = {path: place for path, place in document.places.items() if path and -1 not in path}
    return {
        ".".join(map(str, path)): at.named if _is_collection(document.data, path) else at.value
        for path, at in places.items()
    }


def _is_collection(data: Any, path: Path) -> bool:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False  # a short form's own
    return isinstance(data, Mapping | list)


def _kind_problem(name: str, stage: StageKeys, document: Document) -> Problem | None:
    kinds = [kind for kind in STAGE_KINDS if getattr(stage, kind) is not None]
    if len(kinds) == 1:
        return None
    if not kinds:
        at = document.place(("stages", name)).named
        left = [k for k in STAGE_KINDS if ("stages", name, k) in document.places]
        if left:  # its kind was wrong, and that is told already
            return Problem(message="", position=at)
        help = f"give it one of {', '.join(STAGE_KINDS)}"
        return Problem(message=f"stage '{name}' has no kind", position=at, help=help)
    at = document.place(("stages", name, kinds[1])).named
    message = f"stage '{name}' is both {kinds[0]} and {kinds[1]}"
    return Problem(message=message, position=at, help="make them two stages")


def _stage(name: str, keys: StageKeys, document: Document) -> Stage:
    kind = next(StageKind(kind) for kind in STAGE_KINDS if getattr(keys, kind) is not None)
    spec = _spec(getattr(keys, kind.value))
    return Stage(
        name=name,
        kind=kind,
        spec=spec,
        needs=tuple(keys.needs),
        when=When(keys.when),
        timeout=keys.timeout,
        retry=_retry(keys.retry),
        on_failure=OnFailure(keys.on_failure),
        outputs=keys.outputs,
        once=keys.once == "release",
        irreversible=keys.irreversible,
        destroy=_destroy(keys.destroy, spec) if keys.destroy else None,
        title=keys.title,
        position=document.place(("stages", name)).named,
    )


def _retry(keys: RetryKeys) -> Retry:
    causes = tuple(Cause(cause) for cause in keys.on)
    return Retry(attempts=keys.attempts, on=causes, backoff=keys.backoff)


def _spec(keys: Any) -> StageSpec:
    if isinstance(keys, PulumiKeys):
        return PulumiSpec(**dict(keys))
    if isinstance(keys, AnsibleKeys):
        return AnsibleSpec(**_ansible(keys))
    if isinstance(keys, CommandKeys):
        return CommandSpec(run=tuple(keys.run), env=keys.env, directory=keys.directory)
    if isinstance(keys, CheckKeys):
        return CheckSpec(**dict(keys))
    assert isinstance(keys, ApprovalKeys)
    return ApprovalSpec(**{**dict(keys), "from_": tuple(keys.from_)})


def _ansible(keys: AnsibleKeys) -> dict[str, Any]:
    """Ansible's keys as the model's fields."""
    fields = {name: value for name, value in keys if name in AnsibleKeys.model_fields}
    lists = {name: tuple(fields[name]) for name in ("inventory", "tags", "skip_tags")}
    return {
        **fields,
        **lists,
        "host_keys": HostKeys(keys.host_keys),
        "skip": Skip(keys.skip),
    }


def _destroy(keys: DestroyKeys, spec: StageSpec) -> AnsibleSpec | CommandSpec:
    """A destroy playbook runs with all its stage has, unless it says otherwise; never its tags."""
    if keys.command:
        command = _spec(keys.command)
        assert isinstance(command, CommandSpec)
        return command
    fields = _ansible(keys)
    if isinstance(spec, AnsibleSpec):
        taken = {
            name: getattr(spec, name)
            for name in AnsibleKeys.model_fields
            if name not in keys.model_fields_set and name not in _UNINHERITED
        }
        fields.update(taken)
    return AnsibleSpec(**fields)


def _variable(name: str, keys: VariableKeys, document: Document) -> Variable:
    return Variable(
        name=name,
        type=keys.type,
        default=keys.default,
        has_default="default" in keys.model_fields_set,
        min=keys.min,
        max=keys.max,
        one_of=tuple(keys.one_of),
        position=document.place(("vars", name)).named,
    )
