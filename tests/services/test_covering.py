"""What does a lease cover, and who is refused because of it?"""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model.definitions import AnsibleSpec, PulumiSpec, StageKind
from orchestrator.model.runs import Action, RunKey, RunStatus
from orchestrator.model.values import Secret, Tree
from orchestrator.model.work import StackTarget, Work
from orchestrator.services.covering import covered_by
from tests.services.stage_app import small

HOSTS = """\
all:
  hosts:
    db-1: { ansible_host: 10.0.0.9 }
    here: { ansible_connection: local }
    hidden: { ansible_host: "{{ somewhere }}" }
  children:
    web:
      hosts:
        web-1: { ansible_host: 10.0.0.1, ansible_port: 2222 }
        web-2.example.com:
      children:
        blue: { hosts: { web-3: { ansible_host: 10.0.0.3 } } }
"""


def _work(folder: Path, spec: Any, **more: Any) -> Work:
    kind = StageKind.PULUMI if isinstance(spec, PulumiSpec) else StageKind.ANSIBLE
    return Work(
        run=RunKey("tiny", "dev", 1),
        stage="a",
        attempt=1,
        action=Action.APPLY,
        kind=kind,
        spec=spec,
        project=folder,
        inventories=folder,
        folder=folder,
        cache=folder,
        **more,
    )


def _things(folder: Path, limit: str = "", inventory: tuple[Tree, ...] = ()) -> list[str]:
    spec = AnsibleSpec(playbook="p.yml", limit=limit, inventory=inventory)
    return [covered.thing for covered in covered_by(_work(folder, spec))]


def test_a_stack_is_covered_by_its_name_and_backend(tmp_path: Path) -> None:
    """The same name elsewhere is another stack."""
    target = StackTarget(backend="s3://states", name="dev", passphrase=Secret("x"), keep=tmp_path)
    (covered,) = covered_by(_work(tmp_path, PulumiSpec(project="stacks/shop"), stack=target))
    assert covered.thing == "stack s3://states stacks/shop dev"


def test_hosts_of_files_and_of_values_are_covered(tmp_path: Path) -> None:
    """By address and port; not this machine, nor what only a template knows."""
    (tmp_path / "hosts.yaml").write_text(HOSTS)
    value: dict[str, Tree] = {"hosts": {"edge": {"address": "10.0.0.8", "groups": ["lb"]}}}
    assert _things(tmp_path, inventory=(value,)) == [
        "host 10.0.0.1:2222",
        "host 10.0.0.3:22",
        "host 10.0.0.8:22",
        "host 10.0.0.9:22",
        "host web-2.example.com:22",
    ]


@pytest.mark.parametrize(
    ("limit", "count"),
    [("web-1", 1), ("web", 3), ("blue,db-1", 2), ("web:!blue", 4), ("all", 4), ("none", 0)],
)
def test_a_limit_of_names_covers_only_those(tmp_path: Path, limit: str, count: int) -> None:
    """Names of hosts and groups; where a limit is more than that, all are covered."""
    (tmp_path / "hosts.yaml").write_text(HOSTS)
    assert len(_things(tmp_path, limit)) == count


def test_a_host_that_stands_in_several_places_is_one(tmp_path: Path) -> None:
    """Its groups' variables count as well, its own count more."""
    (tmp_path / "hosts.yaml").write_text(
        "all:\n"
        "  hosts: { web-1: { ansible_host: 10.0.0.1 }, db-1: { ansible_host: 10.0.0.2 } }\n"
        "  children:\n"
        "    web: { hosts: { web-1: }, vars: { ansible_port: 2222 } }\n"
        "    db: { hosts: { db-1: { ansible_port: 23 } }, vars: { ansible_port: 2222 } }\n"
        "    here: { hosts: { me: }, vars: { ansible_connection: local } }\n"
    )
    assert _things(tmp_path) == ["host 10.0.0.1:2222", "host 10.0.0.2:23"]
    assert _things(tmp_path, "web") == ["host 10.0.0.1:2222"]


def test_a_file_that_cannot_be_read_covers_nothing(tmp_path: Path) -> None:
    """It is Ansible's to complain of."""
    (tmp_path / "hosts.yaml").write_text("all: { hosts: { a: !vault x } }")
    assert _things(tmp_path) == []


def test_a_stage_whose_host_another_environment_changes_is_refused(tmp_path: Path) -> None:
    """While that one is held; it says which host, and who has it."""
    stage = {"ansible": {"playbook": "play.yml"}}
    with small(tmp_path, f"a: {json.dumps(stage)}") as project:
        root = project.app.root
        (root / "play.yml").write_text("- hosts: all\n")
        (root / "inventories" / "dev" / "hosts.yaml").write_text(HOSTS)
        at = project.clock.now()
        with project.app.store.write() as tx:
            other = tx.take_lease("tiny", "other", owner="bo", purpose="run tiny/other#1", at=at)
            tx.cover(other, covered_by(_work(root / "inventories" / "dev", _spec())))
        run = project.up()
        assert run.status is RunStatus.FAILED
        with project.app.store.read() as tx:
            (failed,) = tx.stage_runs(run.key)
        assert "is covered by tiny/other" in failed.failures[0].what
        assert project.attempts.started == []
        with project.app.store.write() as tx:
            tx.release_lease("tiny", "other", other.token)
        assert project.up().status is RunStatus.SUCCEEDED


def _spec() -> AnsibleSpec:
    return AnsibleSpec(playbook="p.yml")
