"""Do the files of a right project become the model?"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.core.references import references_in
from orchestrator.files.definitions import find_root, load_project, validate
from orchestrator.files.kinds.common import duration
from orchestrator.model.definitions import (
    AnsibleSpec,
    ApprovalSpec,
    Cause,
    CheckSpec,
    CommandSpec,
    Credentials,
    HostKeys,
    Ladder,
    Limits,
    OnFailure,
    Protect,
    PulumiSpec,
    Retry,
    Skip,
    Stage,
    StageKind,
    StateBackend,
    When,
)
from orchestrator.model.errors import DefinitionError, UsageError
from orchestrator.model.positions import Position
from orchestrator.model.types import INVENTORY, parse_type
from orchestrator.model.values import Reference, Text
from tests.files.projects import FILES, HEADER, changed, guestbook, pipeline, write

FILE = "orchestrator.yaml"
EVERYTHING = """\
limits: { run: 3, ansible: 1 }
stages:
  a:
    ansible:
      playbook: p.yml
      inventory: hosts.ini
      vars: { x: [1, { y: "${{ env.name }}" }], literal: "{{ ansible_host }}" }
      limit: web
      tags: one
      skip_tags: [two, three]
      forks: 7
      config: ansible.cfg
      venv: .venv
      requirements: requirements.yml
      vault: { prod: "${{ secrets.vault }}" }
      ssh_key: ${{ secrets.key }}
      host_keys: first_use
      skip: when_unchanged
    title: First
    when: always
    timeout: 1h30m
    retry: { attempts: 2, on: [timeout] }
    on_failure: continue
    once: release
    irreversible: true
    destroy: { playbook: down.yml, limit: all }
  b:
    command: [make, "${{ env.name }}"]
    needs: a
    destroy: { command: [make, clean] }
  c:
    command: { run: [make], env: { TOKEN: "${{ secrets.key }}" }, directory: sub }
    destroy: { playbook: down.yml }
  d: { approval: }
  e: { approval: { message: "go ${{ env.name }}?", need: 2, from: ["group:ops"], expires: 2d } }
  f: { check: { url: "https://x.example", hold: 10s, headers: { A: "${{ secrets.key }}" } } }
  g:
    pulumi: { project: s, stack: "x-${{ env.name }}", python: .venv, refresh: false, parallel: 4 }
"""
PLACES = {
    "p.yml": "",
    "down.yml": "",
    "hosts.ini": "",
    "ansible.cfg": "",
    "requirements.yml": "",
    "sub/x": "",
    "s/Pulumi.yaml": "name: s\nruntime: yaml\n",
}


def test_the_reference_project(tmp_path: Path) -> None:
    """The project of the design is read without a problem, whole."""
    project = guestbook(tmp_path)
    assert validate(tmp_path) == ()
    assert (project.id, project.store, project.protected) == ("guestbook-7f3c", "local", "main")
    assert list(project.pipelines) == ["guestbook"]
    assert list(project.environments) == ["dev", "prod"]
    assert project.gates["production"].body["rollback"]["require"] == [{"was_live": True}]


def test_stages(tmp_path: Path) -> None:
    """Stages come in file order, with their kind, spec, outputs and positions."""
    stages = guestbook(tmp_path).pipelines["guestbook"].stages
    assert list(stages) == ["network", "hosts", "base", "app", "smoke"]
    hosts = stages["hosts"]
    assert hosts.kind is StageKind.PULUMI
    assert isinstance(hosts.spec, PulumiSpec)
    assert [str(r) for r in references_in(hosts.spec)] == [
        "stages.network.outputs.network",
        "vars.web_count",
    ]
    assert hosts.outputs["inventory"] == INVENTORY
    assert hosts.timeout == timedelta(minutes=20)
    assert hosts.position == Position(file=FILE, line=19, column=3)
    assert stages["base"].retry == Retry(
        attempts=3, on=(Cause.UNREACHABLE,), backoff=timedelta(seconds=10)
    )
    assert stages["app"].needs == ("base",)


def test_check_and_its_text(tmp_path: Path) -> None:
    """A text with a reference inside is a Text whose reference knows its place."""
    spec = guestbook(tmp_path).pipelines["guestbook"].stages["smoke"].spec
    where = Position(file=FILE, line=42, column=24)
    url = Reference(path=("stages", "hosts", "outputs", "url"), position=where)
    assert spec == CheckSpec(
        url=Text(parts=(url, "/healthz")), contains="guestbook", within=timedelta(minutes=2)
    )


def test_variables(tmp_path: Path) -> None:
    """Variables have both forms."""
    found = guestbook(tmp_path).pipelines["guestbook"].vars
    assert found["cidr"].type == parse_type("cidr")
    assert not found["cidr"].has_default
    assert (found["web_count"].min, found["web_count"].max) == (1, 20)
    assert (found["batch"].default, found["batch"].has_default) == ("100%", True)


def test_environment(tmp_path: Path) -> None:
    """An environment has all it says, and what it extends."""
    prod = guestbook(tmp_path).environments["prod"]
    assert prod.vars == {"cidr": "10.66.30.0/24", "web_count": 3, "batch": "34%"}
    assert prod.secrets == {"smtp": "env://SMTP_PASSWORD"}
    assert prod.promote_from == Ladder(environments=("dev",))
    assert prod.protect == Protect(destroy=True, types=("lighthost:index:Host",))
    assert prod.state == StateBackend(backend="builtin")
    assert prod.gate == "production"
    assert prod.credentials == Credentials(
        pulumi=("AWS_PROFILE", "AWS_REGION"), ansible=("SSH_AUTH_SOCK",), command=("LANG",)
    )
    assert prod.limits == Limits(run=4, kinds={StageKind.PULUMI: 2})
    assert prod.files == ("inventories/prod/environment.yaml", "inventories/common.yaml")


def test_positions(tmp_path: Path) -> None:
    """Errors and `explain` find where a value stands, in whichever file that is."""
    project = guestbook(tmp_path)
    positions = project.pipelines["guestbook"].positions
    assert str(positions["stages.hosts.timeout"]) == "orchestrator.yaml:26"
    assert str(positions["stages.hosts.pulumi.config.network"]) == "orchestrator.yaml:23"
    assert str(positions["stages.app.needs.0"]) == "orchestrator.yaml:32"
    prod = project.environments["prod"].positions
    assert str(prod["limits.run"]) == "inventories/common.yaml:1"
    assert str(prod["vars.cidr"]) == "inventories/prod/environment.yaml:7"


def test_every_key_of_ansible(tmp_path: Path) -> None:
    """All of Ansible's keys arrive, short forms too; what is Jinja stays as it is."""
    stage = _stage(tmp_path, "a")
    assert isinstance(stage.spec, AnsibleSpec)
    spec = stage.spec
    assert spec.inventory == ("hosts.ini",)
    assert (spec.tags, spec.skip_tags) == (("one",), ("two", "three"))
    assert (spec.limit, spec.forks, spec.config, spec.venv) == ("web", 7, "ansible.cfg", ".venv")
    assert (spec.host_keys, spec.skip) == (HostKeys.FIRST_USE, Skip.WHEN_UNCHANGED)
    assert spec.vars["literal"] == "{{ ansible_host }}"
    assert [str(r) for r in references_in(spec)] == ["env.name", "secrets.vault", "secrets.key"]


def test_every_key_of_a_stage(tmp_path: Path) -> None:
    """What is common to all stages arrives."""
    stage = _stage(tmp_path, "a")
    assert (stage.title, stage.when) == ("First", When.ALWAYS)
    assert (stage.on_failure, stage.once, stage.irreversible) == (OnFailure.CONTINUE, True, True)
    assert stage.timeout == timedelta(minutes=90)
    assert stage.retry == Retry(attempts=2, on=(Cause.TIMEOUT,), backoff=timedelta(seconds=10))


def test_commands_and_approvals(tmp_path: Path) -> None:
    """Commands have both forms, approvals may say nothing at all."""
    short, long = _stage(tmp_path, "b"), _stage(tmp_path, "c")
    assert isinstance(short.spec, CommandSpec)
    assert isinstance(long.spec, CommandSpec)
    assert (len(short.spec.run), short.needs) == (2, ("a",))
    assert (long.spec.run, long.spec.directory) == (("make",), "sub")
    assert _stage(tmp_path, "d").spec == ApprovalSpec()
    asked = _stage(tmp_path, "e").spec
    assert isinstance(asked, ApprovalSpec)
    assert (asked.need, asked.from_, asked.expires) == (2, ("group:ops",), timedelta(days=2))


def test_destroy(tmp_path: Path) -> None:
    """A destroy playbook has its stage's settings, but tags, unless it says otherwise."""
    down = _stage(tmp_path, "a").destroy
    assert isinstance(down, AnsibleSpec)
    assert (down.playbook, down.limit, down.tags, down.forks) == ("down.yml", "all", (), 7)
    assert down.inventory == ("hosts.ini",)
    assert down.host_keys is HostKeys.FIRST_USE
    assert _stage(tmp_path, "b").destroy == CommandSpec(run=("make", "clean"))
    assert _stage(tmp_path, "c").destroy == AnsibleSpec(playbook="down.yml")


def test_limits_and_stack(tmp_path: Path) -> None:
    """Widths and the keys of a stack arrive."""
    found = load_project(_everything(tmp_path)).pipelines["p"]
    assert found.limits == Limits(run=3, kinds={StageKind.ANSIBLE: 1})
    spec = found.stages["g"].spec
    assert isinstance(spec, PulumiSpec)
    assert (spec.python, spec.refresh, spec.parallel) == (".venv", False, 4)
    assert isinstance(spec.stack, Text)


def test_several_pipelines(tmp_path: Path) -> None:
    """Pipelines stand in orchestrator.yaml and in pipelines/, each name once."""
    other = HEADER + "stages: { a: { command: [true] } }\n"
    write(tmp_path, {**FILES, "pipelines/p.yaml": other.replace("[true]", '["true"]')})
    assert list(load_project(tmp_path).pipelines) == ["guestbook", "p"]
    write(tmp_path, {"pipelines/q.yaml": other.replace("[true]", '["true"]')})
    (problem,) = validate(tmp_path)
    assert problem.message == "there is a Pipeline called 'p' already"


def test_environment_from_elsewhere(tmp_path: Path) -> None:
    """A gated environment is read, with all it extends, from another root than the rest."""
    here = write(tmp_path / "here", FILES)
    there = changed(tmp_path / "there", "inventories/prod/environment.yaml", "count: 3", "count: 9")
    write(there, {"inventories/common.yaml": "limits: { run: 1 }\n"})
    project = load_project(here, environments_from={"prod": there})
    assert project.environments["prod"].vars["web_count"] == 9
    assert project.environments["prod"].limits.run == 1
    assert project.environments["dev"].vars["web_count"] == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20m", 1200), ("1h30m", 5400), ("10s", 10), ("2d", 172800), ("1d2h3m4s", 93784), ("0s", 0)],
)
def test_durations(text: str, seconds: int) -> None:
    """Durations are written with d, h, m and s."""
    assert duration(text) == timedelta(seconds=seconds)


def test_find_root(tmp_path: Path) -> None:
    """The root is found from any folder below; without one the user is told what to do."""
    write(tmp_path, {FILE: "", "a/b/c": ""})
    assert find_root(tmp_path / "a" / "b") == tmp_path.resolve()
    (tmp_path / FILE).unlink()
    with pytest.raises(UsageError, match=r"there is no orchestrator.yaml in .* orchestrator init"):
        find_root(tmp_path / "a")


def test_no_project_at_all(tmp_path: Path) -> None:
    """A missing orchestrator.yaml is a problem like any other."""
    with pytest.raises(DefinitionError, match=r"orchestrator.yaml cannot be read: No such file"):
        load_project(tmp_path)


def _everything(root: Path) -> Path:
    assert pipeline(root, EVERYTHING, **PLACES) == ()
    return root


def _stage(root: Path, name: str) -> Stage:
    return load_project(_everything(root)).pipelines["p"].stages[name]
