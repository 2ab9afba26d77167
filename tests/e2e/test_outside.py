"""Does what a stage hands on arrive as text, and never as a template?"""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import Tiny, command, stage

pytestmark = pytest.mark.slow

PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - copy: {{ content: "{{{{ given | to_json }}}}", dest: "{world}/got" }}
      delegate_to: localhost
"""


def playing(make: Make, world: Path, given: object, inventory: object) -> Tiny:
    """A command that hands on a value and an inventory, and a playbook that writes the value."""
    source = world / "outputs.json"
    tiny = make(
        command(
            world,
            "one",
            f"cat {source} > $ORCHESTRATOR_OUTPUT",
            outputs={"given": "object", "inventory": "inventory"},
        ),
        stage(
            "two",
            {
                "ansible": {
                    "playbook": "play.yml",
                    "inventory": ["${{ stages.one.outputs.inventory }}"],
                    "vars": {"given": "${{ stages.one.outputs.given }}"},
                }
            },
        ),
    )
    source.write_text(json.dumps({"given": given, "inventory": inventory}))
    tiny.write("play.yml", PLAYBOOK.format(world=world))
    tiny.write("inventories/dev/hosts.yaml", "all: { vars: { ansible_connection: local } }\n")
    return tiny


def test_a_template_arrives_as_text(make: Make, world: Path) -> None:
    """`{{ lookup('pipe', …) }}` as a key and as a value is written as it is, and runs nothing."""
    evil = "{{ lookup('pipe', 'touch " + str(world) + "/owned') }}"
    given = {"value": evil, "deep": [{evil: evil}]}
    tiny = playing(make, world, given, {"hosts": {"web": {"address": "127.0.0.1"}}})
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 0, answer.err
    assert json.loads((world / "got").read_text()) == given
    assert not (world / "owned").exists()


def test_ansibles_own_variables_are_refused(make: Make, world: Path) -> None:
    """An inventory that a stage hands on may not say how Ansible works."""
    host = {"address": "127.0.0.1", "vars": {"ansible_python_interpreter": "/tmp/evil"}}
    tiny = playing(make, world, {}, {"hosts": {"web": host}})
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 4, answer.err
    assert "ansible_python_interpreter" in answer.err
    assert "Traceback" not in answer.err
    assert not (world / "got").exists()
