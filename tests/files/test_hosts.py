"""Is it told where two environments would change one host?"""

from pathlib import Path

import pytest

from orchestrator.files.definitions import validate
from tests.files.projects import HEADER, write

PROJECT = "apiVersion: orchestrator/v1\nkind: Project\nid: p-1\n---\n"
ENVIRONMENT = "apiVersion: orchestrator/v1\nkind: Environment\nname: {}\n"
HOSTS = """\
all:
  hosts:
    web: { ansible_host: 10.0.0.1 }
    jump: { ansible_host: 10.0.0.9 }
    me: { ansible_connection: local }
"""
SAME = "host 'web' (10.0.0.1:22) of environment 'prod' is one of 'dev' as well"


def _told(
    root: Path, *, play: str = "web", limit: str = "", prod: str = HOSTS, more: str = ""
) -> list[str]:
    stage = f'  a: {{ ansible: {{ playbook: play.yml, limit: "{limit}" }} }}\n'
    files = {
        "orchestrator.yaml": f"{PROJECT}{HEADER}stages:\n{stage}",
        "play.yml": f"- hosts: '{play}'\n",
        "inventories/dev/environment.yaml": ENVIRONMENT.format("dev"),
        "inventories/dev/hosts.yaml": HOSTS,
        "inventories/dev/group_vars/all.yaml": more,
        "inventories/prod/environment.yaml": ENVIRONMENT.format("prod"),
        "inventories/prod/hosts.yaml": prod,
    }
    problems = validate(write(root, files))
    return [f"{problem.position} {problem.message}" for problem in problems]


def test_a_host_of_two_environments_is_told_by_file_and_line(tmp_path: Path) -> None:
    """One that no play means is let be: a jump host, say."""
    assert _told(tmp_path) == [f"inventories/prod/hosts.yaml:3 {SAME}"]


def test_another_name_for_it_is_told_as_well(tmp_path: Path) -> None:
    """What counts is where it is."""
    (told,) = _told(tmp_path, play="all", prod="all: { hosts: { x: { ansible_host: 10.0.0.1 } } }")
    assert "'x' (10.0.0.1:22) of environment 'prod' is one of 'dev' as well (there 'web')" in told


@pytest.mark.parametrize(
    "said",
    [
        {"prod": HOSTS.replace("10.0.0.1", "10.0.0.2")},
        {"prod": HOSTS.replace("10.0.0.1", "10.0.0.1, ansible_port: 2222")},
        {"play": "all:!web", "limit": ""},  # only Ansible can tell
        {"play": "{{ some }}"},
        {"play": "all", "limit": "nobody"},
        {"play": "web", "limit": "${{ env.name }}-web"},
        {"more": "ansible_port: 2222\n"},
        {"play": "me"},
    ],
    ids=str,
)
def test_what_is_not_certain_is_not_told(tmp_path: Path, said: dict[str, str]) -> None:
    """It is refused before the stage, where it is so."""
    assert _told(tmp_path, **said) == []
