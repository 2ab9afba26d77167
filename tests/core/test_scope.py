"""Is every reference known by its type, or refused with what was meant?"""

from __future__ import annotations

import pytest

from orchestrator.core.scope import Scope, Undeclared, type_of, variables
from orchestrator.model.definitions import (
    Artifact,
    CommandSpec,
    Environment,
    Pipeline,
    Stage,
    StageKind,
    Variable,
)
from orchestrator.model.positions import Position
from orchestrator.model.types import parse_type
from orchestrator.model.values import Reference

AT = Position(file="orchestrator.yaml", line=1, column=1)
STAGES = {
    "network": Stage(
        name="network",
        kind=StageKind.COMMAND,
        spec=CommandSpec(run=("x",)),
        outputs={"subnet": parse_type("cidr"), "hosts": parse_type("inventory")},
        position=AT,
    ),
    "plain": Stage(name="plain", kind=StageKind.COMMAND, spec=CommandSpec(run=("x",)), position=AT),
}
PIPELINE = Pipeline(
    name="p",
    vars={
        "count": Variable(name="count", type=parse_type("int"), position=AT),
        "size": Variable(
            name="size", type=parse_type("string"), default="s", has_default=True, position=AT
        ),
    },
    artifacts={"app": Artifact(name="app", path="app")},
    stages=STAGES,
    file="orchestrator.yaml",
)
DEV = Environment(name="dev", vars={"count": 3}, secrets={"smtp": "env://X"}, position=AT)


def ref(path: str) -> Reference:
    return Reference(path=tuple(path.split(".")))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("vars.count", "int"),
        ("stages.network.outputs.subnet", "cidr"),
        ("stages.network.outputs.hosts", "inventory"),
        ("env.name", "string"),
        ("secrets.smtp", "secret(string)"),
        ("release.name", "string"),
        ("release.digest", "string"),
        ("release.artifacts.app.path", "string"),
        ("release.artifacts.app.digest", "string"),
    ],
)
def test_types(path: str, name: str) -> None:
    """Each kind of reference has the type that was declared for it."""
    assert str(type_of(ref(path), PIPELINE, DEV)) == name


@pytest.mark.parametrize(
    ("path", "help"),
    [
        ("vars.cuont", "did you mean 'vars.count'?"),
        ("stages.netwrk.outputs.subnet", "did you mean 'stages.network.outputs.subnet'?"),
        ("stages.network.subnet", "did you mean 'stages.network.outputs.subnet'?"),
        ("stages.plain.outputs.x", "stage 'plain' declares no outputs"),
        ("stages.network.outputs.zzz", "stage 'network' declares the outputs subnet, hosts"),
        ("vars.zzzzzzzzzzz", "it is written vars.NAME; declared: vars.count, vars.size"),
        ("vars", "vars"),
        ("env.nam", "did you mean 'env.name'?"),
        ("secrets.smpt", "did you mean 'secrets.smtp'?"),
        ("release.artifacts.ap.path", "did you mean 'release.artifacts.app.path'?"),
        ("vars.count.more", "did you mean 'vars.count'?"),
        ("inputs.x", "references begin with vars, stages, env, secrets, release"),
    ],
)
def test_undeclared(path: str, help: str) -> None:
    """What nothing declares is refused with the nearest that something does."""
    with pytest.raises(Undeclared) as caught:
        type_of(ref(path), PIPELINE, DEV)
    assert caught.value.message == f"undeclared reference to '{path}'"
    assert help in caught.value.help


def test_secrets_without_an_environment() -> None:
    """While no environment is meant any secret may be named, and nothing below it."""
    scope = Scope(PIPELINE)
    assert str(scope.type_of(ref("secrets.any"))) == "secret(string)"
    with pytest.raises(Undeclared):
        scope.type_of(ref("secrets.any.more"))


def test_variables() -> None:
    """A variable is what the environment says, else its default, else absent."""
    assert variables(PIPELINE, DEV) == {"count": 3, "size": "s"}
    bare = Environment(name="dev", position=AT)
    assert variables(PIPELINE, bare) == {"size": "s"}
