"""What does the competent user's script do? (design 9)

For each stack `pulumi up --yes --skip-preview`, its outputs as JSON, an inventory out of them; then
one `ansible-playbook` after the other with pipelining, forks and kept connections; then curl.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.setup.pulumi_cli import find_pulumi

STACKS = ("network", "hosts")
PLAYBOOKS = ("base", "database", "edge", "app")
NAME = "script"  # of its stacks
_PROGRAMS = Path(__file__).with_name("programs.py")
_DSN = re.compile(r'"dsn": "((?:[^"\\]|\\.)*)"')


class Script:
    """The script, for one checkout of the reference project."""

    def __init__(self, project: Path, work: Path, env: Mapping[str, str], *, warm: bool) -> None:
        self._project, self._work = project, work
        self._dsn = ""
        (work / "state").mkdir(parents=True)
        (work / "cp").mkdir()
        self._pulumi = str(find_pulumi(os.environ))
        self._env = {
            **env,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{work / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "of the bench",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # --client is hidden behind it
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_FORKS": "50",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_SHOW_CUSTOM_STATS": "True",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(work / "cp"),
        }
        words = [sys.executable, str(_PROGRAMS), *(["--warm"] if warm else [])]
        self._server = subprocess.Popen(
            words, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._server.stdout is not None
        self._address = self._server.stdout.readline().strip()

    def prepare(self, config: Mapping[str, Mapping[str, str]]) -> None:
        """The stacks are there and configured."""
        for stack in STACKS:
            if not (self._project / "stacks" / stack / f"Pulumi.{NAME}.yaml").exists():
                self._ask(stack, "stack", "init", NAME)
            for key, value in config.get(stack, {}).items():
                self._ask(stack, "config", "set", key, value, "--stack", NAME)

    def up(self) -> None:
        """The whole script."""
        network = self._stack("network")
        hosts = self._stack("hosts")
        self._inventory(hosts["inventory"]["hosts"], network["ssh_key"])
        for playbook in PLAYBOOKS:
            self._play(playbook)
        self._smoke(hosts["url"])

    def network(self) -> Mapping[str, Any]:
        """What the first stack says; the second's config is set by it, beforehand."""
        return self._stack("network")

    def destroy(self) -> None:
        self._forget_connections()
        for stack in reversed(STACKS):
            words = ("destroy", "--yes", "--skip-preview", "--stack", NAME)
            self._ask(stack, *words, "--client", self._address)

    def close(self) -> None:
        self._forget_connections()
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(timeout=30)

    def _stack(self, stack: str) -> Mapping[str, Any]:
        words = ("--stack", NAME, "--client", self._address)
        self._ask(stack, "up", "--yes", "--skip-preview", *words)
        told = self._ask(stack, "stack", "output", "--json", "--show-secrets", "--stack", NAME)
        outputs: Mapping[str, Any] = json.loads(told)
        return outputs

    def _ask(self, stack: str, *words: str) -> str:
        argv = [self._pulumi, *words, "--non-interactive"]
        return self._run(argv, self._project / "stacks" / stack)

    def _inventory(self, hosts: Mapping[str, Any], key: str) -> None:
        (self._work / "key").touch(mode=0o600)
        (self._work / "key").write_text(key)
        groups: dict[str, Any] = {}
        for name, host in hosts.items():
            entry = {
                "ansible_host": host["address"],
                "ansible_port": host["port"],
                "ansible_user": host["user"],
                "ansible_ssh_private_key_file": str(self._work / "key"),
                **host["vars"],
            }
            for group in host["groups"]:
                groups.setdefault(group, {"hosts": {}})["hosts"][name] = entry
        inventory = {"all": {"children": groups}}
        (self._work / "inventory.yaml").write_text(json.dumps(inventory))

    def _play(self, playbook: str) -> None:
        argv = ["ansible-playbook", f"--inventory={self._work / 'inventory.yaml'}"]
        argv += [f"--inventory={self._project / 'inventories/dev/hosts.yaml'}"]
        if playbook == "app":
            values = {"dsn": self._dsn, "source": str(self._project / "app"), "batch": "100%"}
            argv.append(f"--extra-vars={json.dumps(values)}")
        argv.append(str(self._project / f"playbooks/{playbook}.yml"))
        told = self._run(argv, self._project)
        if playbook == "database":
            found = _DSN.search(told)
            assert found, told
            self._dsn = json.loads(f'"{found[1]}"')

    def _smoke(self, url: str) -> None:
        deadline = time.monotonic() + 120
        while "guestbook" not in self._run(["curl", "-s", url], self._project, check=False):
            assert time.monotonic() < deadline, url
            time.sleep(1)

    def _run(self, argv: Sequence[str], directory: Path, *, check: bool = True) -> str:
        answer = subprocess.run(
            argv, cwd=directory, env=self._env, capture_output=True, text=True, check=False
        )
        if check and answer.returncode:
            raise RuntimeError(f"{' '.join(argv[:6])}:\n{answer.stdout[-3000:]}{answer.stderr}")
        return answer.stdout

    def _forget_connections(self) -> None:
        """The hosts come again, under the same ports and with other keys."""
        for socket in (self._work / "cp").iterdir():
            argv = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "nobody"]
            subprocess.run(argv, capture_output=True, check=False)
