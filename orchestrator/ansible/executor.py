"""How is a stage carried out by Ansible?

Each attempt gets everything anew in a folder of its own: configuration, inventory, variables,
connections. ansible-playbook runs as a program of its own; what it did is judged afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.ansible.answering import silent, targets_of
from orchestrator.ansible.command import arguments, binaries, environment
from orchestrator.ansible.config import Own, attempt_config, project_config
from orchestrator.ansible.facts import facts_folder, forget_secrets
from orchestrator.ansible.folders import Folders, private_folders
from orchestrator.ansible.galaxy import Interrupted, installed_requirements
from orchestrator.ansible.hostkeys import ssh_options
from orchestrator.ansible.inventory import Inventory, inventory_of
from orchestrator.ansible.launch import STOPPED, Command, play
from orchestrator.ansible.listening import Asked, Heard, Listener
from orchestrator.ansible.own_files import may_list_others
from orchestrator.ansible.rows import plan_of
from orchestrator.ansible.targets import all_there_is, expected_hosts, listed_inventory
from orchestrator.ansible.unsafe import write_private
from orchestrator.ansible.vault import VaultServer
from orchestrator.ansible.verdict import (
    Expected,
    code_of,
    outcome_of,
    stopped_outcome,
    summaries,
    was_done,
)
from orchestrator.model.definitions import AnsibleSpec, Skip
from orchestrator.model.errors import DefinitionError
from orchestrator.model.positions import Position, Problem
from orchestrator.model.runs import Failure, Outcome, Plan, Status
from orchestrator.model.values import leaves, revealed, secrets_in
from orchestrator.model.work import Work
from orchestrator.ports import Report


class AnsibleExecutor:
    """Implements ports.StageExecutor; one at a time per process, in its main or any thread."""

    def plan(self, work: Work, report: Report) -> Plan:
        """Rows of `--check --diff`. Raises DefinitionError where the playbook does not load."""
        try:
            with _ready(work, report) as ready:
                return _plan(ready, report)
        except Interrupted:
            return _stopped_plan(work)

    def apply(self, work: Work, report: Report) -> Outcome:
        """Runs the playbook. Raises DefinitionError or ToolError before anything was started."""
        try:
            with _ready(work, report) as ready:
                return _apply(ready, report)
        except Interrupted:
            return stopped_outcome(work, Heard())

    def destroy(self, work: Work, report: Report) -> Outcome:  # noqa: ARG002  # the port's signature
        """Nothing: a playbook leaves nothing that is its own. A stage's `destroy:` is an apply."""
        return Outcome(status=Status.SUCCEEDED)

    def unchanged(self, work: Work, report: Report) -> str:
        """ "inputs equal, 3 hosts answer" where the stage's owner allows to skip it; else ""."""
        if _spec(work).skip is not Skip.WHEN_UNCHANGED:
            return ""
        work = replace(work, spec=replace(_spec(work), requirements=""))  # none are needed to look
        with _ready(work, report) as ready:
            if any(may_list_others(source) for source in ready.inventory.sources):
                return ""
            targets = _targets(ready)
        if targets is None or silent(targets):
            return ""
        if not targets:
            return "inputs equal, and no host but this machine"
        count = f"{len(targets)} host{'' if len(targets) == 1 else 's'}"
        return f"inputs equal, {count} answer{'s' if len(targets) == 1 else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """All that an attempt needs of Ansible, in place."""

    work: Work
    command: Command
    folders: Folders
    inventory: Inventory
    vault: VaultServer
    facts: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    heard: Heard
    code: int
    listener: Listener
    asked: str = ""  # what the playbook wanted to be told by a person


@contextmanager
def _ready(work: Work, report: Report) -> Iterator[_Ready]:
    spec = _spec(work)
    programs = binaries(work, spec)
    with private_folders(work) as folders:
        inventory = inventory_of(work, spec, folders.private)
        facts = facts_folder(work, inventory.hosts)
        config = _configured(work, spec, folders, inventory, facts, programs, report)
        env = environment(work, folders, config, programs)
        secrets = {name: str(revealed(text)) for name, text in spec.vault.items()}  # type: ignore[arg-type]
        with VaultServer(secrets, folders.sockets) as vault:
            argv = [str(programs / "ansible-playbook"), *vault.arguments]
            argv += arguments(work, spec, inventory.sources, folders)
            command = Command(argv=argv, env=env, directory=work.project)
            try:
                yield _Ready(
                    work=work,
                    command=command,
                    folders=folders,
                    inventory=inventory,
                    vault=vault,
                    facts=facts,
                )
            finally:
                forget_secrets(facts, _secrets(work, spec))


def _configured(
    work: Work,
    spec: AnsibleSpec,
    folders: Folders,
    inventory: Inventory,
    facts: Path,
    programs: Path,
    report: Report,
) -> Path:
    """The attempt's ansible.cfg, its requirements installed."""
    cfg = project_config(work.project, spec.config)
    own = Own(
        facts=facts,
        temporary=folders.temporary,
        control=folders.sockets,
        ssh=ssh_options(work, spec.host_keys, inventory.hosts, folders.private),
        key=_key_file(spec, folders),
        forks=spec.forks,
    )
    path = write_private(folders.private / "ansible.cfg", attempt_config(work.project, cfg, own))
    if not spec.requirements:
        return path
    env = environment(work, folders, path, programs)
    galaxy = Command(argv=[str(programs / "ansible-galaxy")], env=env, directory=work.project)
    found = installed_requirements(work, spec, galaxy, report)
    own = replace(own, roles=found.roles, collections=found.collections)
    text = attempt_config(work.project, cfg, own)
    return write_private(folders.private / "ansible-installed.cfg", text)


def _plan(ready: _Ready, report: Report) -> Plan:
    work = ready.work
    answer = _ask(ready, report, "--check", "--diff", "-v")  # -v: why a task was skipped
    if work.cancel.asked:
        return _stopped_plan(work)
    if answer.asked:
        deferred = f"the playbook asks a person for '{answer.asked}' (vars_prompt)"
        return Plan(unknown=tuple(work.outputs), deferred=deferred)
    if answer.heard.stats is None:
        place = answer.listener.place
        raise _does_not_load(outcome_of(work, answer.heard, answer.code, Expected(), place))
    return plan_of(work, answer.heard, answer.code)


def _stopped_plan(work: Work) -> Plan:
    return Plan(unknown=tuple(work.outputs), deferred="the check was stopped")


def _apply(ready: _Ready, report: Report) -> Outcome:
    work = ready.work
    answer = _ask(ready, report)
    if work.cancel.asked and not was_done(answer.heard):
        outcome = stopped_outcome(work, answer.heard)
    elif work.cancel.asked:  # in its recap: what happened is known, and all of it has
        code = code_of(answer.heard, answer.code)
        outcome = outcome_of(work, answer.heard, code, Expected(), answer.listener.place)
    elif answer.asked:
        outcome = _nobody_answers(work, answer)
    else:
        expected = _expected(ready, answer)
        outcome = outcome_of(work, answer.heard, answer.code, expected, answer.listener.place)
    if was_done(
        answer.heard
    ):  # else hosts that failed nowhere so far would look as if all was done
        for summary in summaries(answer.heard, outcome.hosts):
            report(summary)
    return outcome


def _ask(ready: _Ready, report: Report, *options: str) -> _Answer:
    listener = Listener(report, ready.work.project)
    program, *rest = ready.command.argv
    command = replace(ready.command, argv=[program, *options, *rest])
    asked, code = "", STOPPED
    try:
        code = play(
            ready.work,
            command,
            ready.folders,
            hear=listener.hear,
            tick=ready.vault.serve,
        )
    except Asked as error:
        asked = str(error)
    listener.finish()
    return _Answer(heard=listener.heard, code=code, listener=listener, asked=asked)


def _expected(ready: _Ready, answer: _Answer) -> Expected:
    """Two more questions to Ansible, where the run did not reach all it should, or nobody."""
    stats = answer.heard.stats
    if stats is not None and answer.code == 0 and stats.get("processed"):
        return Expected()
    with ready.vault.in_background():
        if stats is None:
            return Expected()
        if not stats.get("processed"):
            return all_there_is(ready.work, ready.command)
        return Expected(hosts=expected_hosts(ready.work, ready.command))


def _nobody_answers(work: Work, answer: _Answer) -> Outcome:
    what = (
        f"the playbook asks a person for '{answer.asked}' (vars_prompt) and nobody is there; "
        f"give the stage `vars: {{ {answer.asked}: … }}`"
    )
    stopped = stopped_outcome(work, answer.heard)
    failure = Failure(where=_spec(work).playbook, what=what)
    return replace(stopped, status=Status.FAILED, failures=(failure,))


def _targets(ready: _Ready) -> list[tuple[str, int]] | None:
    """(address, port) of all hosts. Ansible is asked only where its files may say something."""
    if ready.inventory.listed is not None:
        return targets_of(ready.inventory.listed)
    with ready.vault.in_background():
        return targets_of(listed_inventory(ready.work, ready.command))


def _does_not_load(outcome: Outcome) -> DefinitionError:
    failure = outcome.failures[0]
    file, _, line = failure.file.rpartition(":")
    at = Position(file=file, line=int(line), column=1) if line.isdigit() else None
    return DefinitionError([Problem(message=failure.what, position=at)])


def _key_file(spec: AnsibleSpec, folders: Folders) -> Path | None:
    key = revealed(spec.ssh_key)  # type: ignore[arg-type]  # resolved: a Value by now
    if not key:
        return None
    return write_private(folders.private / "key", str(key).rstrip("\n") + "\n")


def _secrets(work: Work, spec: AnsibleSpec) -> Sequence[str]:
    found = [*secrets_in(spec.vars), *secrets_in(spec.vault), *secrets_in(spec.ssh_key)]
    texts = [str(leaf) for value in found for leaf in leaves(value) if leaf is not None]
    return [*texts, *(text for text in work.credentials.values() if len(text) > 16)]


def _spec(work: Work) -> AnsibleSpec:
    assert isinstance(work.spec, AnsibleSpec)
    return work.spec
