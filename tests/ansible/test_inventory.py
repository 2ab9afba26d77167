"""Which hosts does a stage get?"""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.ansible.answering import targets_of
from orchestrator.ansible.executor import AnsibleExecutor
from orchestrator.ansible.inventory import inventory_of
from orchestrator.ansible.own_files import may_list_others
from orchestrator.model.definitions import AnsibleSpec, Skip
from tests.ansible.projects import TWO, Site

VALUE: dict[str, Any] = {
    "hosts": {
        "web-1": {"address": "10.0.0.1", "groups": ["web"], "host_key": "ssh-ed25519 AAAA"},
        "db-1": {"address": "10.0.0.2", "port": 2222, "user": "admin", "vars": {"size": 3}},
    }
}


def test_the_environments_own_hosts_come_first(site: Site) -> None:
    """hosts.yaml always, then entries in their order; the folder itself never."""
    site.write("more.yml", "plugin: constructed\n")
    spec = AnsibleSpec(playbook="p.yml", inventory=(VALUE, "more.yml"))
    found = inventory_of(site.work(), spec, site.root)
    names = [path.name for path in found.sources]
    assert names == ["hosts.yaml", "values-1.yaml", "more.yml"]
    assert [host.name for host in found.hosts] == ["web-1", "db-1"]
    assert found.listed is None
    assert (site.root / "values-1.yaml").stat().st_mode & 0o777 == 0o600


def test_without_any_source_there_is_an_empty_one(site: Site) -> None:
    """Ansible never falls back to /etc/ansible/hosts."""
    (site.inventories / "hosts.yaml").unlink()
    found = inventory_of(site.work(), AnsibleSpec(playbook="p.yml"), site.root)
    assert [path.read_text() for path in found.sources] == ["all: {}\n"]
    assert found.listed is not None


@pytest.mark.parametrize("text", ["", "---\n# nobody yet\n"])
def test_an_empty_hosts_file_is_left_out(site: Site, text: str) -> None:
    """Ansible refuses a file that says nothing; a team may well have one."""
    site.hosts(text)
    found = inventory_of(site.work(), AnsibleSpec(playbook="p.yml"), site.root)
    assert [path.name for path in found.sources] == ["none.yaml"]


@pytest.mark.slow
def test_scripts_and_constructed_groups_work(site: Site) -> None:
    """A dynamic script and a plugin's configuration add hosts and groups, static ones stay."""
    script = site.write(
        "dynamic.sh",
        '#!/bin/sh\necho \'{"_meta": {"hostvars": {"d1": {"ansible_connection": '
        '"local", "tier": "gold"}}}, "dynamic": {"hosts": ["d1"]}}\'\n',
    )
    script.chmod(0o755)
    site.write(
        "constructed.yml",
        "plugin: ansible.builtin.constructed\nkeyed_groups: [{key: tier, prefix: tier}]\n",
    )
    site.tasks("- debug:", hosts="tier_gold:here")
    outcome = site.apply(spec={"inventory": ("dynamic.sh", "constructed.yml")})
    assert outcome.hosts == {"d1": "ok", "here": "ok"}


@pytest.mark.slow
@pytest.mark.parametrize("own", [True, False])
def test_group_vars_hold_for_generated_hosts(site: Site, own: bool) -> None:
    """group_vars and host_vars of the environment apply, with and without a hosts.yaml."""
    if own:
        site.hosts("all: {}\n")
    else:
        (site.inventories / "hosts.yaml").unlink()
    for name, text in {"group_vars/web.yml": "a: 1\n", "host_vars/web-1.yml": "b: 2\n"}.items():
        path = site.inventories / name
        path.parent.mkdir()
        path.write_text(f"{text}ansible_connection: local\n")
    site.tasks("- debug: {msg: '{{ a + b }}'}", hosts="web")
    outcome = site.apply(spec={"inventory": (VALUE,)})
    assert outcome.hosts == {"web-1": "ok"}
    assert site.told.results("ok")[0].message == "3"


@pytest.mark.slow
def test_local_hosts_need_no_answer(site: Site) -> None:
    """A stage on this machine alone is unchanged without asking anybody."""
    site.hosts(TWO)
    site.tasks("- debug:")
    work = site.work(spec={"skip": Skip.WHEN_UNCHANGED})
    assert (
        AnsibleExecutor().unchanged(work, site.told) == "inputs equal, and no host but this machine"
    )


def test_an_unreadable_inventory_proves_nothing(site: Site) -> None:
    """Where Ansible cannot list the hosts, the stage is not skipped."""
    site.hosts("all: [\n")
    site.tasks("- debug:")
    work = site.work(spec={"skip": Skip.WHEN_UNCHANGED})
    assert AnsibleExecutor().unchanged(work, site.told) == ""


@pytest.mark.parametrize(
    ("name", "text", "mode"),
    [
        ("list.sh", "#!/bin/sh\necho '{}'\n", 0o755),
        ("cloud.yaml", "# ours\nplugin: ansible.builtin.constructed\nstrict: false\n", 0o644),
        ("cloud.json", '{ "plugin": "ansible.builtin.constructed" }', 0o644),
    ],
)
def test_what_lists_hosts_anew_proves_nothing(site: Site, name: str, text: str, mode: int) -> None:
    """A program or a plugin may list another host today: its file says nothing about that."""
    site.write(f"inventory/{name}", text).chmod(mode)
    site.tasks("- debug:")
    for entry in (f"inventory/{name}", "inventory"):
        work = site.work(spec={"skip": Skip.WHEN_UNCHANGED, "inventory": (entry,)})
        assert AnsibleExecutor().unchanged(work, site.told) == ""
    static = site.write("static.yaml", "all: { vars: { my_plugin: x, note: 'plugin: none' } }\n")
    assert not may_list_others(static)


def test_hosts_that_cannot_be_asked_prove_nothing() -> None:
    """A template as address, another connection, or a way through a bastion: run the stage."""
    assert targets_of(_listed(ansible_host="10.0.0.9", ansible_port=2222)) == [("10.0.0.9", 2222)]
    assert targets_of(_listed(ansible_connection="local")) == []
    assert targets_of(_listed()) == [("h", 22)]
    assert targets_of(_listed(ansible_host="{{ x }}")) is None
    assert targets_of(_listed(ansible_connection="winrm")) is None
    assert targets_of(_listed(ansible_ssh_common_args="-J bastion")) is None


def _listed(**variables: object) -> dict[str, object]:
    return {"_meta": {"hostvars": {"h": variables}}, "web": {"hosts": ["h"]}}


def test_own_files_that_say_little_are_read_without_ansible(site: Site) -> None:
    """Groups, plain variables and static hosts; a skipped stage then costs no ansible-inventory."""
    site.write("inventories/dev/group_vars/all.yaml", "colour: red\n")
    spec = AnsibleSpec(playbook="p.yml", inventory=(VALUE,))
    text = "all: {children: {archive: {}, old: {hosts: {a: {ansible_connection: local}}}}}\n"
    (site.inventories / "hosts.yaml").write_text(text)
    found = inventory_of(site.work(), spec, site.root).listed
    assert found is not None
    assert targets_of(found) == [("10.0.0.2", 2222), ("10.0.0.1", 22)]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("hosts.yaml", "all: {hosts: {'web-[2:9]': }}\n"),
        ("hosts.yaml", "all: {hosts: {web-1: {ansible_port: 99}}}\n"),
        ("hosts.yaml", "web: {vars: {ansible_port: 99}}\n"),
        ("hosts.yaml", "[web]\nold-1\n"),
        ("group_vars/web/connection.yaml", "ansible_connection: local\n"),
        ("group_vars/all.yaml", "password: !vault abc\n"),
        ("host_vars/web-1", "{ not yaml"),
    ],
)
def test_ansible_is_asked_where_own_files_may_say_more(site: Site, file: str, text: str) -> None:
    """Ranges, vaults, variables of connections, anything that is no plain YAML."""
    path = site.inventories / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    spec = AnsibleSpec(playbook="p.yml", inventory=(VALUE,))
    assert inventory_of(site.work(), spec, site.root).listed is None
