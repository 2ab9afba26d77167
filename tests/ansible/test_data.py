"""Does what came from outside arrive as text, on every way?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.model.errors import DefinitionError
from orchestrator.model.values import Secret
from tests.ansible.projects import Site

EVIL = "{{ lookup('pipe', 'touch /tmp/never-made-by-orchestrator; echo ran') }}"
NESTED: dict[str, Any] = {
    "text": EVIL,
    "list": [EVIL, {"deep": "{% for i in [1] %}{{ i }}{% endfor %}"}],
    EVIL: {"{{ 7 * 7 }}": "{# gone #}"},
    "number": 7,
    "flag": True,
    "nothing": None,
    "odd": "a\nb: c\t\u202e'\"\\",
}


@pytest.mark.slow
def test_data_in_vars_arrives_as_text(site: Site) -> None:
    """Templates in keys and values of data variables are never evaluated, however nested."""
    got = site.root / "got.json"
    site.tasks(f"- copy: {{content: '{{{{ given | to_json }}}}', dest: {got}}}")
    spec = {"vars": {"given": {**NESTED, "secret": Secret(EVIL)}}}
    outcome = site.apply(spec=spec, data_vars=("given",))
    assert not outcome.failures
    assert json.loads(got.read_text()) == {**NESTED, "secret": EVIL}


@pytest.mark.slow
def test_data_in_an_inventory_arrives_as_text(site: Site) -> None:
    """Templates in an inventory value's variables and keys are never evaluated."""
    got = site.root / "got.json"
    site.hosts("all: {}\n")
    site.tasks(
        f"""
- copy:
    content: '{{{{ {{"given": hostvars["web-1"].given, "addr": hostvars["web-1"].ansible_host,
      "groups": hostvars["web-1"].group_names}} | to_json }}}}'
    dest: {got}
""",
        hosts="localhost",
    )
    host = {"address": "127.0.0.9", "groups": ["web"], "vars": {"given": NESTED}}
    outcome = site.apply(spec={"inventory": ({"hosts": {"web-1": host}},)})
    assert not outcome.failures
    found = json.loads(got.read_text())
    assert found == {"given": NESTED, "addr": "127.0.0.9", "groups": ["web"]}


@pytest.mark.slow
def test_the_teams_own_literals_are_ansible(site: Site) -> None:
    """A literal in `vars` may hold Jinja and ansible_* names, as in any file of the team."""
    got = site.root / "got"
    site.tasks(f"- copy: {{content: '{{{{ mine }}}}', dest: {got}}}")
    spec = {"vars": {"mine": "{{ 6 * 7 }}", "ansible_check_mode_note": "x"}}
    assert not site.apply(spec=spec).failures
    assert got.read_text() == "42"


@pytest.mark.parametrize(
    "variables",
    [
        {"ansible_connection": "local"},
        {"app": {"ansible_python_interpreter": "/bin/evil"}},
        {"app": [{"ANSIBLE_become_exe": "x"}]},
    ],
)
def test_ansibles_own_names_are_refused_in_data(site: Site, variables: dict[str, Any]) -> None:
    """What came from outside cannot set a variable that makes Ansible run something."""
    site.tasks("- debug:")
    with pytest.raises(DefinitionError, match=r"(?i)ansible_"):
        site.apply(spec={"vars": variables}, data_vars=tuple(variables))
    assert not site.told.events


@pytest.mark.parametrize(
    "host",
    [
        {"address": "-oProxyCommand=touch x"},
        {"address": "{{ 7 * 7 }}"},
        {"address": "10.0.0.1", "user": "{{ x }}"},
        {"address": "10.0.0.1", "port": "22 -o"},
        {"address": "10.0.0.1", "groups": ["a b"]},
        {"address": "10.0.0.1", "vars": {"ansible_ssh_common_args": "x"}},
        {"address": "10.0.0.1", "host_key": "ssh-ed25519 AAAA\n* ssh-rsa AAAA"},
        {"address": "10.0.0.1", "other": 1},
    ],
)
def test_an_inventory_that_is_none_is_refused(site: Site, host: dict[str, Any]) -> None:
    """A wrong field of an inventory value is refused before anything starts."""
    site.tasks("- debug:")
    with pytest.raises(DefinitionError, match="inventory entry 1"):
        site.apply(spec={"inventory": ({"hosts": {"web-1": host}},)})


@pytest.mark.parametrize("name", ["-oX", "a b", "{{ 7 }}", "a\nb", "@x", ""])
def test_a_host_name_that_is_none_is_refused(site: Site, name: str) -> None:
    """Host names are held to an alphabet that is neither option, template nor file."""
    site.tasks("- debug:")
    with pytest.raises(DefinitionError):
        site.apply(spec={"inventory": ({"hosts": {name: {"address": "10.0.0.1"}}},)})


@pytest.mark.parametrize(
    "spec",
    [
        {"limit": "@/etc/passwd"},
        {"limit": "-oX"},
        {"limit": "web,@/etc/passwd"},
        {"limit": "{{ 7 }}"},
        {"limit": "a\nb"},
        {"tags": ("--become",)},
        {"tags": ("{{ 7 }}",)},
        {"skip_tags": ("@x",)},
        {"playbook": "../outside.yml"},
        {"playbook": "/etc/passwd"},
        {"playbook": "missing.yml"},
        {"inventory": ("../x",)},
        {"inventory": ("/etc/ansible/hosts",)},
        {"inventory": ("h1,",)},
        {"inventory": ("missing.yml",)},
        {"config": "../ansible.cfg"},
        {"requirements": "missing.yml"},
        {"vault": {"-x": "y"}},
    ],
)
def test_what_could_be_an_option_is_refused(site: Site, spec: dict[str, Any]) -> None:
    """Limits, tags, paths and ids that a tool could take for something else are refused."""
    site.tasks("- debug:")
    playbook = spec.pop("playbook", "play.yml") if "playbook" in spec else "play.yml"
    with pytest.raises(DefinitionError):
        site.apply(playbook=playbook, spec=spec)
    assert not site.told.events


def test_the_environments_folder_is_never_an_inventory(site: Site) -> None:
    """Naming inventories/<env> says why it is refused."""
    (site.inventories / "environment.yaml").write_text("vars: {}\n")
    site.tasks("- debug:")
    with pytest.raises(DefinitionError, match=r"environment\.yaml as hosts"):
        site.apply(spec={"inventory": ("inventories/dev",)})
