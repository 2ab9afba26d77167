"""Which references are there to use, and of which type is each?

`vars.x`, `stages.s.outputs.o`, `env.name`, `secrets.s`, `release.name|digest`,
`release.artifacts.a.digest|path`; nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from orchestrator.model.definitions import Environment, Pipeline
from orchestrator.model.types import STRING, TypeName, ValueType
from orchestrator.model.values import Reference, Tree

SECRET = ValueType(TypeName.SECRET, STRING)
_ROOTS = {
    "vars": "vars.NAME",
    "stages": "stages.STAGE.outputs.NAME",
    "env": "env.name",
    "secrets": "secrets.NAME",
    "release": "release.name, release.digest, release.artifacts.NAME.path or .digest",
}


class Undeclared(ValueError):
    """A reference to what nothing declares; `help` says what there is, or what may be meant."""

    def __init__(self, reference: Reference, help: str) -> None:
        super().__init__(f"undeclared reference to '{reference}'; {help}")
        self.reference = reference
        self.message = f"undeclared reference to '{reference}'"
        self.help = help


class Scope:
    """All that a stage of a pipeline may refer to; in an environment, or in any of them."""

    def __init__(self, pipeline: Pipeline, environment: Environment | None = None) -> None:
        self.types: Mapping[str, ValueType] = dict(_declared(pipeline, environment))
        self._pipeline = pipeline
        self._environment = environment

    def type_of(self, reference: Reference) -> ValueType:
        """The type of what a reference stands for. Raises Undeclared.

        Without an environment every secret counts as declared.
        """
        found = self.types.get(str(reference))
        if found:
            return found
        path = reference.path
        if self._environment is None and path[0] == "secrets" and len(path) == 2:
            return SECRET
        raise Undeclared(reference, self._help(reference))

    def _help(self, reference: Reference) -> str:
        root = reference.path[0]
        if root not in _ROOTS:
            return f"references begin with {', '.join(_ROOTS)}"
        if root == "stages" and len(reference.path) == 4:
            help = self._help_with_output(*reference.path[1::2])
            if help:
                return help
        known = [name for name in self.types if name.startswith(f"{root}.")]
        near = get_close_matches(str(reference), known, 1)
        if near:
            return f"did you mean '{near[0]}'?"
        declared = f"declared: {', '.join(known[:8])}" if known else f"no {root} are declared"
        return f"it is written {_ROOTS[root]}; {declared}"

    def _help_with_output(self, stage: str, output: str) -> str:
        """Advice where the stage is there and only its output is not."""
        if stage not in self._pipeline.stages:
            return ""
        outputs = list(self._pipeline.stages[stage].outputs)
        near = get_close_matches(output, outputs, 1)
        if near:
            return f"did you mean 'stages.{stage}.outputs.{near[0]}'?"
        declared = (
            f"declares the outputs {', '.join(outputs)}" if outputs else "declares no outputs"
        )
        return f"stage '{stage}' {declared}"


def type_of(
    reference: Reference, pipeline: Pipeline, environment: Environment | None = None
) -> ValueType:
    """The type of one reference; for many, make a Scope. Raises Undeclared."""
    return Scope(pipeline, environment).type_of(reference)


def variables(pipeline: Pipeline, environment: Environment) -> Mapping[str, Tree]:
    """What each variable of the pipeline is in an environment: its value there, else its default.

    One that has neither is left out. A value may itself refer to env, secrets or release.
    """
    found: dict[str, Tree] = {}
    for name, variable in pipeline.vars.items():
        if name in environment.vars:
            found[name] = environment.vars[name]
        elif variable.has_default:
            found[name] = variable.default
    return found


def _declared(
    pipeline: Pipeline, environment: Environment | None
) -> Iterator[tuple[str, ValueType]]:
    for name, variable in pipeline.vars.items():
        yield f"vars.{name}", variable.type
    for stage in pipeline.stages.values():
        for name, type_ in stage.outputs.items():
            yield f"stages.{stage.name}.outputs.{name}", type_
    yield "env.name", STRING
    for name in environment.secrets if environment else ():
        yield f"secrets.{name}", SECRET
    yield "release.name", STRING
    yield "release.digest", STRING
    for name in pipeline.artifacts:
        yield f"release.artifacts.{name}.path", STRING
        yield f"release.artifacts.{name}.digest", STRING
