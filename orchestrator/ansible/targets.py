"""Which hosts would a playbook have reached, and which are there at all?

Asked of Ansible itself, and only where a run did not go well: each question takes half a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.ansible.launch import Command
from orchestrator.ansible.verdict import Expected
from orchestrator.model.work import Work
from orchestrator.procs import run

_HOST = re.compile(r"^      (\S.*)$")  # of --list-hosts: six spaces, a name
_PATTERN = re.compile(r"^    (pattern|hosts) ")


def expected_hosts(work: Work, command: Command) -> tuple[str, ...]:
    """Hosts of all plays within the limit, in order; empty where Ansible cannot say."""
    *options, playbook = command.argv
    lines = _asked(work, replace(command, argv=[*options, "--list-hosts", playbook]))
    return hosts_listed(lines)


def hosts_listed(lines: Sequence[str]) -> tuple[str, ...]:
    """Names in the output of `ansible-playbook --list-hosts`."""
    found = (match[1] for line in lines if (match := _HOST.match(line)))
    return tuple(dict.fromkeys(found))


def listed_inventory(work: Work, command: Command) -> Mapping[str, Any]:
    """`ansible-inventory --list` of the same sources; {} where it cannot be read.

    Holds variables in clear, those of vaults as well: for looking at, never for keeping.
    """
    options = [a for a in command.argv if a.startswith(("--inventory=", "--vault-id="))]
    program = str(Path(command.argv[0]).with_name("ansible-inventory"))
    lines = _asked(work, replace(command, argv=[program, *options, "--list"]))
    try:
        found = json.loads("\n".join(lines))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def all_there_is(work: Work, command: Command) -> Expected:
    """Groups and hosts of the inventory, for a message."""
    listed = listed_inventory(work, command)
    groups = tuple(name for name in listed if name not in ("_meta", "all", "ungrouped"))
    hosts = (host for body in listed.values() for host in body.get("hosts", ()))
    return Expected(groups=groups, known=tuple(sorted(set(hosts))))


def _asked(work: Work, command: Command) -> list[str]:
    lines: list[str] = []

    def hear(stream: str, line: str) -> None:
        if stream == "stdout":
            lines.append(line)

    run(
        command.argv,
        work=work,
        env=command.env,
        directory=command.directory,
        on_line=hear,
    )
    return lines
