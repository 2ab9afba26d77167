"""What must be there before Pulumi is asked? Program, interpreter, settings file, environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.model.definitions import PulumiSpec
from orchestrator.model.errors import ToolError
from orchestrator.model.stacks import StackName
from orchestrator.model.work import StackTarget, Work
from orchestrator.pulumi.cli import Operation, ask_plainly
from orchestrator.pulumi.environment import cli_env, program_env
from orchestrator.pulumi.file_backend import file_stack
from orchestrator.pulumi.place import StackPlace, StoreStack
from orchestrator.pulumi.project import (
    Program,
    ReadYaml,
    interpreter_of,
    read_program,
    stack_settings,
)
from orchestrator.pulumi.service.cipher import StackCipher
from orchestrator.pulumi.service.server import served
from orchestrator.pulumi.service.service import StackService
from orchestrator.pulumi.stack_file import StackFile, write_stack_file, write_with_store_key

BUILTIN = "builtin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What wiring knows and no attempt differs in; nothing secret.

    read_yaml: plain JSON of a YAML file. checkout: where virtualenvs that are not in git lie.
    outer: our own environment; of it only PATH, HOME, LANG, PULUMI_HOME and the like pass on.
    """

    read_yaml: ReadYaml
    checkout: Path | None = None
    outer: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    acquire_plugins: bool = False  # may the CLI download missing providers by itself?
    states: ServiceOf | None = None  # for `backend: builtin`: the states in the store


ServiceOf = Callable[[Work], AbstractContextManager[StackService]]
"""The store's states as a service for one attempt, ready to be served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything one operation's processes need. place: None for a foreign backend."""

    operation: Operation
    spec: PulumiSpec
    target: StackTarget
    file: StackFile
    place: StackPlace | None
    program: Program
    base: Mapping[str, Any]  # the project's own settings of the stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The service, and where the CLI finds it."""

    service: StackService
    url: str

    def access(self, folder: Path) -> dict[str, str]:
        """Variables for the CLI. What it notes of this login stays in the attempt's folder."""
        return {
            "PULUMI_BACKEND_URL": self.url,
            "PULUMI_ACCESS_TOKEN": self.service.token,
            "PULUMI_CREDENTIALS_PATH": str(folder),
        }


@contextmanager
def prepared_for(work: Work, around: Surroundings) -> Iterator[Prepared]:
    """What `prepare` makes; the states in the store are served meanwhile."""
    if work.stack is None or work.stack.backend != BUILTIN:
        yield prepare(work, around)
        return
    if around.states is None:
        raise TypeError("nobody plugged in the states of the store")
    with around.states(work) as service, served(service) as url:
        yield prepare(work, around, Served(service=service, url=url))


def prepare(work: Work, around: Surroundings, at: Served | None = None) -> Prepared:
    """Writes the settings file; starts nothing but `config set` for secrets of a key service.

    Raises DefinitionError, ToolError or SecretError before anything was changed.
    """
    spec, target = work.spec, work.stack
    if not isinstance(spec, PulumiSpec) or target is None:
        raise TypeError("a Pulumi stage's work carries a PulumiSpec and a stack")
    _must_have_cli(work)
    program = read_program(work.project, spec.project, around.read_yaml)
    own = _own_interpreter(program, spec, work, around)
    place = _place(target, program, at)
    base = stack_settings(program, target.name, around.read_yaml)
    file = _stack_file(work, spec, target, program, base, place)
    access = at.access(work.folder) if at else {}
    operation = _operation(work, around, program, target, file, own, access)
    _set_late_secrets(operation, file)
    return Prepared(
        operation=operation,
        spec=spec,
        target=target,
        file=file,
        place=place,
        program=program,
        base=base,
    )


def _place(target: StackTarget, program: Program, at: Served | None) -> StackPlace | None:
    if at is None:
        return file_stack(target.backend, program.name, target.name)
    return StoreStack(service=at.service, name=StackName(program.name, target.name))


def _stack_file(
    work: Work,
    spec: PulumiSpec,
    target: StackTarget,
    program: Program,
    base: Mapping[str, Any],
    place: StackPlace | None,
) -> StackFile:
    if isinstance(place, StoreStack):
        return write_with_store_key(
            work.folder,
            program=program,
            base=base,
            overlay=spec.config,  # type: ignore[arg-type]  # resolved: a Value by Work's promise
            stack=target.name,
            credentials=work.credentials,
            cipher=lambda: _cipher_of(place),
        )
    return write_stack_file(
        work.folder,
        program=program,
        base=base,
        overlay=spec.config,  # type: ignore[arg-type]  # as above
        target=target,
        credentials=work.credentials,
        state_salt=lambda: _state_salt(place),
    )


def _cipher_of(place: StoreStack) -> StackCipher:
    """The stack's own; that of a stack that is to come, for its settings come before it."""
    if not place.exists:
        place.make_for_now()
    return place.cipher


def _operation(
    work: Work,
    around: Surroundings,
    program: Program,
    target: StackTarget,
    file: StackFile,
    own: Path | None,
    access: Mapping[str, str],
) -> Operation:
    interpreter = own or Path(sys.executable)
    return Operation(
        work=work,
        directory=program.folder,
        stack=_full_name(target, program),
        config_file=file.path,
        env=cli_env(
            around.outer,
            credentials=work.credentials,
            backend=target.backend,
            passphrase=file.passphrase,
            interpreter=interpreter,
            acquire_plugins=around.acquire_plugins,
            access=access,
        ),
        program_env=program_env(
            around.outer, credentials=work.credentials, interpreter=interpreter, mark=work.mark
        ),
        interpreter=interpreter,
        own_interpreter=own is not None,
        serves_program=program.is_python,
    )


def _must_have_cli(work: Work) -> None:
    path = work.tools.get("pulumi")
    if path is None or not path.is_file():
        raise ToolError(
            f"Pulumi is missing: {path or 'no path to it is known'}.",
            holds="Nothing was changed.",
            next="Bring it with: orchestrator doctor --fix",
        )


def _own_interpreter(
    program: Program, spec: PulumiSpec, work: Work, around: Surroundings
) -> Path | None:
    if not program.is_python:
        return None
    roots = (work.project, *((around.checkout,) if around.checkout else ()))
    return interpreter_of(program, spec.python, roots)


def _full_name(target: StackTarget, program: Program) -> str:
    """Backends without a service call every organization `organization`."""
    if target.backend.startswith(("http://", "https://")):
        return target.name
    return f"organization/{program.name}/{target.name}"


def _state_salt(place: StackPlace | None) -> str:
    provider = (place.deployment().get("secrets_providers") or {}) if place else {}
    return str((provider.get("state") or {}).get("salt") or "")


def _set_late_secrets(operation: Operation, file: StackFile) -> None:
    for key, text in file.to_set.items():
        words = ("config", "set", "--secret", "--config-file", str(file.path), key)
        answer = ask_plainly(operation, words, stdin=text.encode())
        if answer.code != 0:
            raise ToolError(
                f"The secret config value {key} cannot be encrypted: "
                + " ".join(line for line in answer.stderr[-3:] if line),
                holds="Nothing was changed.",
            )
