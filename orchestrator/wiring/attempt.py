"""What is an attempt process made of? Its parent is `wiring.parent`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.attempts.process import Order, carry_out
from orchestrator.core.references import resolve_spec
from orchestrator.files.plain_yaml import plain_yaml
from orchestrator.model.codec import decode
from orchestrator.model.definitions import StageKind
from orchestrator.model.errors import SecretError
from orchestrator.model.values import Reference, Secret, Tree, Value, leaves, secrets_in
from orchestrator.model.work import Work
from orchestrator.ports import StageExecutor
from orchestrator.pulumi.executor import PulumiExecutor
from orchestrator.pulumi.prepare import BUILTIN, ServiceOf, Surroundings
from orchestrator.pulumi.warm import open_interpreter
from orchestrator.steps.check import CheckExecutor
from orchestrator.steps.command import CommandExecutor
from orchestrator.trust.redaction import KnownSecrets
from orchestrator.trust.secrets import resolve
from orchestrator.trust.variants import why_weak
from orchestrator.trust.vault import Keys, StoreVault
from orchestrator.wiring.clock import SystemClock
from orchestrator.wiring.keeping import keeping_from

Executors = Mapping[StageKind, Callable[[Work], StageExecutor]]


def executors(variables: Mapping[str, str]) -> Executors:
    """What carries out each kind of stage."""
    return {
        StageKind.PULUMI: lambda work: PulumiExecutor(
            Surroundings(
                read_yaml=plain_yaml,
                checkout=work.checkout,
                acquire_plugins=True,
                states=_states(work, variables),
            )
        ),
        StageKind.ANSIBLE: lambda _: _ansible(),
        StageKind.COMMAND: lambda _: CommandExecutor(),
        StageKind.CHECK: lambda _: CheckExecutor(),
    }


def _ansible() -> StageExecutor:
    from orchestrator.ansible.executor import AnsibleExecutor  # 50 ms, for its own stages only

    return AnsibleExecutor()


def _states(work: Work, variables: Mapping[str, str]) -> ServiceOf | None:
    if work.stack is None or work.stack.backend != BUILTIN:
        return None
    from orchestrator.wiring.states import states_from  # the database's libraries: 0.2 s

    return states_from(variables)


def main(folder: AttemptFolder, variables: Mapping[str, str]) -> None:
    """Carries out the attempt of a folder."""
    if folder.kind() is StageKind.PULUMI:
        open_interpreter()  # before any secret is known and any thread runs
    carry_out(
        folder,
        opened=lambda f: _opened(f, variables),
        executors=executors(variables),
        now=SystemClock().now,
        beside=keeping_from(variables),
    )


def _opened(folder: AttemptFolder, variables: Mapping[str, str]) -> Order:
    """The order with its secrets in: opened, resolved, and known to the redactor."""
    data = json.loads(folder.work.read_text(encoding="utf-8"))
    vault = StoreVault(Keys.load(Path(data["cache"]).parent / "keys.json"))
    work = decode(Work, data, vault.open)
    work, secrets = with_secrets(work, variables)
    redactor = KnownSecrets()
    for value in [*secrets.values(), *_known(work)]:
        redactor.add(value)
    notes = tuple(
        f"{name}: this secret {why}, so it is not hidden where tools print it"
        for name, value in secrets.items()
        if (why := why_weak(value))
    )
    return Order(work=work, redactor=redactor, seal=vault.seal, notes=notes)


def with_secrets(work: Work, variables: Mapping[str, str]) -> tuple[Work, Mapping[str, str]]:
    """The work with its secrets and credentials in, and the secrets by name. Raises SecretError."""
    secrets = {
        name: resolve(locator, variables, work.project) for name, locator in work.secrets.items()
    }
    spec = resolve_spec(work.spec, lambda reference: _secret(reference, secrets))
    credentials = {name: variables[name] for name in work.credentials if name in variables}
    return replace(work, spec=spec, credentials=credentials), secrets


def _secret(reference: Reference, secrets: Mapping[str, str]) -> Tree:
    name = reference.path[1] if len(reference.path) == 2 else ""
    if reference.path[0] != "secrets" or name not in secrets:
        raise SecretError(f"'{reference}' cannot be resolved in an attempt.")
    return Secret(secrets[name])


def _known(work: Work) -> list[str]:
    """Every text that may not be told: secrets of the spec, the passphrase, what tools may see.

    A secret inside a text makes the whole a secret, and stays one by itself.
    """
    known = [str(leaf) for value in _spec_secrets(work.spec) for leaf in leaves(value)]
    known += [str(secret.value) for secret in work.hidden]
    if work.stack is not None:
        known.append(str(work.stack.passphrase.value))
    return known + [value for name, value in work.credentials.items() if _looks_secret(name)]


def _spec_secrets(spec: object) -> list[Value]:
    found: list[Value] = []
    for field in fields(spec):  # type: ignore[arg-type]  # every StageSpec is a dataclass
        value = getattr(spec, field.name)
        found += secrets_in(list(value) if isinstance(value, tuple) else value)
    return found


def _looks_secret(name: str) -> bool:
    words = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSPHRASE", "CREDENTIAL")
    return any(word in name.upper() for word in words)
