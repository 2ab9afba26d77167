"""How long does a cancel take, on both sides? `python -m bench.cancel [times]`, as root.

For each kind of stage, one that obeys and one that does not (the grace is 30 s): seconds from
`orchestrator cancel` until the run has ended, and until nothing of the tool is left here and, for
Ansible, on the light host at the other end of its SSH connection.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.projects import PATIENCE, Tiny, command, made, stage
from tests.lighthosts.fixtures import LightHost, light_site
from tests.pulumi import toy_provider

STUBBORN = "trap '' TERM INT HUP; "
SLEEP = "while :; do sleep 0.1; done"
HOST = """\
import pulumi
config = pulumi.Config()
inputs = {"world": config.require("world"), "until": config.require("until")}
options = pulumi.ResourceOptions(version="9.9.9")
pulumi.CustomResource("lighthost:index:Host", "a", inputs, options)
"""
PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: work
      ansible.builtin.shell: "{script}"
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """begun: whether its tool is at work. left: how much of it is left anywhere."""

    name: str
    tiny: Tiny
    begun: Callable[[], bool]
    left: Callable[[], int]
    variables: dict[str, str]


def main(times: int = 3) -> None:
    print(f"{'stage':<34}{'run ended':>14}{'nothing left':>14}   (median and most of {times}, s)")
    with tempfile.TemporaryDirectory(prefix="cancel-") as folder:
        for number, make in enumerate((_commands, _stacks, _playbooks)):
            with make(Path(folder) / str(number)) as cases:
                for case in cases:
                    _tell(case.name, [_cancelled(case) for _ in range(times)])


def _tell(name: str, took: Sequence[tuple[float, float]]) -> None:
    shown = (f"{statistics.median(each):6.1f} {max(each):6.1f}" for each in zip(*took, strict=True))
    print(f"{name:<34}" + "".join(f"{text:>14}" for text in shown), flush=True)


def _cancelled(case: Case) -> tuple[float, float]:
    tiny = case.tiny
    up = tiny.begin("up", "dev", "--yes", variables=case.variables)
    _until(case.begun)
    number = tiny.rows("select max(number) from runs")[0][0]
    asked = time.perf_counter()
    cancel = tiny.begin("cancel", f"dev#{number}", variables=case.variables)
    _until(lambda: case.left() == 0)
    left = time.perf_counter() - asked
    up.answer()
    ended = time.perf_counter() - asked
    cancel.answer()
    for path in tiny.world.glob("begun*"):
        path.unlink()
    return ended, left


def _until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit("it never came true")
        time.sleep(0.02)


@contextmanager
def _commands(folder: Path) -> Iterator[list[Case]]:
    def line(script: str) -> Callable[[Tiny], str]:
        return lambda tiny: command(tiny.world, "begun", script)

    yield [
        _case(folder, f"command, {word}", line(script))
        for word, script in (("obeys", SLEEP), ("does not", STUBBORN + SLEEP))
    ]


@contextmanager
def _stacks(folder: Path) -> Iterator[list[Case]]:
    def line(tiny: Tiny) -> str:
        tiny.write("stacks/site/Pulumi.yaml", "name: site\nruntime: python\n")
        tiny.write("stacks/site/__main__.py", HOST)
        config = {"world": str(tiny.world), "until": str(tiny.world / "never")}
        tiny.environment("dev", "credentials: { pulumi: [TOY_WORLD] }\n")
        return stage("site", {"pulumi": {"project": "stacks/site", "config": config}})

    toy_provider.install(folder / "pulumi")
    case = _case(folder, "pulumi, its provider is busy", line)
    variables = {"PULUMI_HOME": str(folder / "pulumi"), "TOY_WORLD": str(case.tiny.world)}
    begun = case.tiny.world
    yield [
        Case(
            name=case.name,
            tiny=case.tiny,
            begun=lambda: bool(list(begun.glob("*.begun-*"))) and bool(case.tiny.marked()),
            left=case.left,
            variables=variables,
        )
    ]


@contextmanager
def _playbooks(folder: Path) -> Iterator[list[Case]]:
    folder.mkdir()
    with light_site(folder / "light", hosts=1) as light:
        (host,) = light.hosts
        yield [
            _on_host(folder, host, f"ansible over ssh, {word}", script)
            for word, script in (("obeys", SLEEP), ("does not", STUBBORN + SLEEP))
        ]


def _on_host(folder: Path, host: LightHost, name: str, script: str) -> Case:
    def line(tiny: Tiny) -> str:
        tiny.write("play.yml", PLAY.format(script=script))
        where = (
            f"ansible_host: 127.0.0.1, ansible_port: {host.ssh_port}, ansible_user: root, "
            f"ansible_ssh_private_key_file: {host.private_key}"
        )
        tiny.write("inventories/dev/hosts.yaml", f"all: {{hosts: {{h: {{{where}}}}}}}\n")
        return stage("play", {"ansible": {"playbook": "play.yml", "host_keys": "first_use"}})

    case = _case(folder, name, line)
    running = "pgrep -fc '[d]o sleep 0.1' || true"
    return Case(
        name=name,
        tiny=case.tiny,
        begun=lambda: (
            host.ssh("cat /tmp/begun && rm -f /tmp/begun; true; ls /tmp") != ""
            and int(host.ssh(running) or 0) > 0
        ),
        left=lambda: len(case.tiny.marked()) + int(host.ssh(running) or 0),
        variables={},
    )


def _case(folder: Path, name: str, line: Callable[[Tiny], str]) -> Case:
    where = folder / name.replace(" ", "-").replace(",", "")
    where.mkdir(parents=True)
    tiny = made(where)
    tiny.pipeline(line(tiny))
    return Case(
        name=name,
        tiny=tiny,
        begun=lambda: tiny.count("begun") > 0,
        left=lambda: len(tiny.marked()),
        variables={},
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
