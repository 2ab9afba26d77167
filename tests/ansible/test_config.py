"""What of a project's ansible.cfg holds?"""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from orchestrator.ansible.config import Own, attempt_config, ignored_keys, kept, project_config
from orchestrator.model.errors import DefinitionError
from tests.ansible.projects import Site

CFG = """
[defaults]
inventory = ./hosts
roles_path = ./my-roles:/opt/roles
filter_plugins = ./filters
lookup_plugins = ./lookups
host_key_checking = False
stdout_callback = yaml
timeout = 40  ; seconds
vault_password_file = ~/.vault
forks = 3
made_up = 1
strategy = debug

[ssh_connection]
ssh_args = -o ControlMaster=no -o StrictHostKeyChecking=no
pipelining = False

[persistent_connection]
command_timeout = 5

[colors]
error = blue
"""


def _own(tmp_path: Path) -> Own:
    return Own(
        facts=tmp_path / "facts",
        temporary=tmp_path / "temporary",
        control=tmp_path / "control",
        ssh=["-o", "StrictHostKeyChecking=yes"],
    )


def _parsed(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


def test_what_is_ignored_says_why(tmp_path: Path) -> None:
    """Every option that does not hold is named with its reason; paths outside are refused."""
    cfg = tmp_path / "ansible.cfg"
    cfg.write_text(CFG)
    ignored = {option: why for _, option, why in ignored_keys(cfg)}
    assert set(ignored) == {
        "inventory",
        "roles_path",
        "host_key_checking",
        "stdout_callback",
        "vault_password_file",
        "made_up",
        "strategy",
        "error",
    }
    assert ignored["roles_path"] == "/opt/roles lies outside the project"
    assert "host_keys" in ignored["host_key_checking"]


def test_what_is_kept_has_absolute_paths(tmp_path: Path) -> None:
    """Paths are relative to the file, as in Ansible."""
    cfg = tmp_path / "sub/ansible.cfg"
    cfg.parent.mkdir()
    cfg.write_text(CFG.replace(":/opt/roles", ":../shared:~/.ansible/roles"))
    defaults = kept(cfg, tmp_path)["defaults"]
    own = Path("~/.ansible/roles").expanduser()
    assert defaults["roles_path"] == f"{tmp_path}/sub/my-roles:{tmp_path}/shared:{own}"
    assert defaults["filter_plugins"] == f"{tmp_path}/sub/filters"
    assert defaults["timeout"] == "40"


def test_a_link_that_leaves_the_project_is_outside(tmp_path: Path) -> None:
    """A folder of plugins that is a link to elsewhere does not count as the project's."""
    project, other = tmp_path / "project", tmp_path / "other"
    project.mkdir()
    other.mkdir()
    (project / "filters").symlink_to(other)
    cfg = project / "ansible.cfg"
    cfg.write_text("[defaults]\nfilter_plugins = filters\n")
    assert [option for _, option, _ in ignored_keys(cfg)] == ["filter_plugins"]


def test_ours_win_where_they_must(tmp_path: Path) -> None:
    """Host keys and sockets are ours whatever the project says; its forks and pipelining hold."""
    cfg = tmp_path / "ansible.cfg"
    cfg.write_text(CFG)
    parsed = _parsed(attempt_config(tmp_path, cfg, _own(tmp_path)))
    ssh = parsed["ssh_connection"]
    assert ssh["ssh_args"].startswith("-o StrictHostKeyChecking=yes -o ControlMaster=no")
    assert ssh["control_path_dir"] == str(tmp_path / "control")
    assert ssh["pipelining"] == "False"
    defaults = parsed["defaults"]
    assert defaults["forks"] == "3"
    assert defaults["host_key_checking"] == "True"
    assert "inventory" not in defaults
    assert "stdout_callback" not in defaults


def test_defaults_without_a_project_file(tmp_path: Path) -> None:
    """Pipelining, forks, smart gathering and a fact cache are on by default."""
    parsed = _parsed(attempt_config(tmp_path, None, _own(tmp_path)))
    defaults = parsed["defaults"]
    assert parsed["ssh_connection"]["pipelining"] == "True"
    assert (defaults["forks"], defaults["gathering"]) == ("50", "smart")
    assert defaults["fact_caching_connection"] == str(tmp_path / "facts")
    assert defaults["roles_path"].startswith(f"{tmp_path}/roles:{tmp_path}/playbooks/roles:")


def test_a_broken_file_is_a_wrong_definition(tmp_path: Path) -> None:
    """A file that is no INI is named, without a traceback."""
    cfg = tmp_path / "ansible.cfg"
    cfg.write_text("forks = 3\n")
    with pytest.raises(DefinitionError, match=r"ansible\.cfg cannot be read"):
        ignored_keys(cfg)
    with pytest.raises(DefinitionError):
        project_config(tmp_path, "../ansible.cfg")


@pytest.mark.slow
def test_a_projects_own_roles_and_plugins_are_found(site: Site) -> None:
    """roles_path and filter_plugins of the project's ansible.cfg hold, as outside of us."""
    site.write(
        "ansible.cfg",
        "[defaults]\nroles_path = our-roles\nfilter_plugins = our-filters\n"
        "inventory = /etc/ansible/hosts\n",
    )
    site.write("our-roles/greet/tasks/main.yml", "- debug: {msg: \"{{ 'hi' | shout }}\"}\n")
    site.write(
        "our-filters/shout.py",
        "class FilterModule:\n"
        "    def filters(self):\n"
        "        return {'shout': lambda text: text.upper() + '!'}\n",
    )
    site.write("plays/site.yml", "- hosts: all\n  gather_facts: false\n  roles: [greet]\n")
    outcome = site.apply(playbook="plays/site.yml")
    assert not outcome.failures
    assert site.told.results("ok")[0].message == "HI!"
    assert not list(site.project.rglob("__pycache__"))
