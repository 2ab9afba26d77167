"""What is going on when a process dies? Small projects whose stages do something that counts.

A command appends a line to a file of its own, a playbook too; a host of the stack is a file that
its provider makes. So how often anything was done is a matter of counting.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.crash import arming
from tests.e2e.projects import PATIENCE, Answer, Tiny, command, made, outputs, stage
from tests.pulumi import toy_provider

HOSTS = """\
import pulumi
world = pulumi.Config().require("world")
for name in {names}:
    options = pulumi.ResourceOptions(version="9.9.9")
    pulumi.CustomResource("lighthost:index:Host", name, {{"world": world}}, options)
pulumi.export("count", {count})
"""
PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: count
      ansible.builtin.shell: echo x >> {world}/play
"""
JOURNAL = "answer to PATCH stacks/site/dev/update/ID/journalentries"
UP = ("up", "dev", "--yes")
DESTROY = ("destroy", "dev", "--yes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """before: what goes on undisturbed. act: the command in which a process dies.

    runs: whether it is a run (that goes on where it stopped) or an act of one moment.
    effects: how often each stage shall have done its work once all is well again, from the very
    beginning; hosts: the names of those that then stand; known: those in the stack's state, where
    they are others; held: how many leases are.
    """

    name: str
    make: Callable[[Tiny], None]
    act: tuple[str, ...]
    before: tuple[tuple[str, ...] | Callable[[Ground], None], ...] = ()
    effects: Mapping[str, int]
    hosts: frozenset[str] | None = None
    known: frozenset[str] | None = None
    held: int | None = None
    runs: bool = True
    init: bool = True  # the project has its store before

    @property
    def is_new(self) -> bool:
        """Whether the act begins a run of its own."""
        return self.act[0] in ("up", "destroy")


@dataclass(kw_only=True)
class Ground:
    """One scenario's project in one place, put back to how it was before the act."""

    scenario: Scenario
    folder: Path
    runs_before: int = 0

    @property
    def has_store(self) -> bool:
        return (self.tiny.store / "store.json").exists()

    @property
    def tiny(self) -> Tiny:
        root = self.folder / "now"
        return Tiny(root=root / "project", home=root / "state", world=root / "world")

    @property
    def variables(self) -> Mapping[str, str]:
        return {
            "PULUMI_HOME": str(self.folder / "pulumi"),
            "TOY_WORLD": str(self.tiny.world / "hosts"),
        }

    def make(self) -> None:
        """The project, and all that goes before the act."""
        (self.folder / "now").mkdir(parents=True)
        made(self.folder / "now", init=self.scenario.init)
        (self.tiny.world / "hosts").mkdir()
        toy_provider.install(self.folder / "pulumi")
        self.scenario.make(self.tiny)
        for step in self.scenario.before:
            if callable(step):
                step(self)
            else:
                self.ask(*step)
        if self.scenario.init:
            ((self.runs_before,),) = self.tiny.rows("select count(*) from runs")
        _copied(self.folder / "now", self.folder / "kept")

    def armed(self, words: tuple[str, ...], told: Mapping[str, str]) -> Answer:
        """The command by armed processes; told: what becomes of them (arming.LOG, AT, …)."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.crash.armed", "--json", *words],
            cwd=self.tiny.root,
            env={**self.tiny.variables(), **self.variables, **told},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Answer(code=done.returncode, out=done.stdout, err=done.stderr)

    def die(self, words: tuple[str, ...], point: str, *, everything: bool = False) -> Answer:
        """The command, and SIGKILL at the point. Fails where the point is not reached."""
        hit = self.folder / "hit"
        hit.unlink(missing_ok=True)
        told = {arming.AT: point, arming.HIT: str(hit)}
        if everything:
            told |= {arming.WITH: "all", arming.STORE: self.store_id}
        answer = self.armed(words, told)
        assert hit.exists(), f"{point} was never reached: {answer.all}"
        return answer

    def ask(self, *words: str) -> Answer:
        return self.tiny.ask(*words, variables=self.variables)

    def reset(self) -> None:
        self.tiny.end()
        shutil.rmtree(self.folder / "now")
        _copied(self.folder / "kept", self.folder / "now")

    @property
    def store_id(self) -> str:
        return str(json.loads((self.tiny.store / "store.json").read_text())["store"])


def _copied(here: Path, there: Path) -> None:
    """As it is; a killed attempt leaves pipes too."""
    subprocess.run(["cp", "-a", str(here), str(there)], check=True)


def _commands(tiny: Tiny) -> None:
    tiny.pipeline(
        command(tiny.world, "first", outputs(a="handed on"), outputs={"a": "string"}),
        command(tiny.world, "second", 'echo "$0"', arguments=["${{ stages.first.outputs.a }}"]),
    )


def _fails_once(tiny: Tiny) -> None:
    """The second stage fails where it has not been before."""
    once = f"[ -e {tiny.world}/been ] || {{ touch {tiny.world}/been; exit 1; }}"
    tiny.pipeline(
        command(tiny.world, "first"),
        command(tiny.world, "second", once, needs=["first"]),
    )


def _stack(tiny: Tiny) -> None:
    _hosts(tiny, "a", "b")
    tiny.write("stacks/site/Pulumi.yaml", "name: site\nruntime: python\n")
    pulumi = {"project": "stacks/site", "config": {"world": str(tiny.world / "hosts")}}
    tiny.pipeline(stage("site", {"pulumi": pulumi}, outputs={"count": "int"}))
    tiny.environment("dev", "credentials: { pulumi: [TOY_WORLD] }\n")


def _hosts(tiny: Tiny, *names: str) -> None:
    tiny.write("stacks/site/__main__.py", HOSTS.format(names=names, count=len(names)))


def _changed(ground: Ground) -> None:
    """One host more, one less."""
    _hosts(ground.tiny, "a", "c")


def _died(point: str) -> Callable[[Ground], None]:
    """`up` ran before, and everything of it died at that point."""

    def died(ground: Ground) -> None:
        ground.die(UP, point, everything=True)

    return died


def _playbook(tiny: Tiny) -> None:
    tiny.write("play.yml", PLAY.format(world=tiny.world))
    tiny.write("inventories/dev/hosts.yaml", "all: {hosts: {h: {ansible_connection: local}}}\n")
    tiny.pipeline(stage("play", {"ansible": {"playbook": "play.yml"}}))


SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="commands", make=_commands, act=UP, effects={"first": 1, "second": 1}),
        Scenario(
            name="retry",
            make=_fails_once,
            before=(UP,),
            act=("retry", "dev#1"),
            effects={"first": 1, "second": 2},
        ),
        Scenario(name="stack", make=_stack, act=UP, effects={}, hosts=frozenset("ab")),
        Scenario(
            name="change",
            make=_stack,
            before=(UP, _changed),
            act=UP,
            effects={},
            hosts=frozenset("ac"),
        ),
        Scenario(
            name="destroy", make=_stack, before=(UP,), act=DESTROY, effects={}, hosts=frozenset()
        ),
        Scenario(name="playbook", make=_playbook, act=UP, effects={"play": 1}),
        Scenario(
            name="takeover",
            make=_commands,
            before=(_died("controller after WarmParent.start #1"),),
            act=("wait", "dev#1"),
            effects={"first": 1, "second": 1},
        ),
        Scenario(
            name="pending",
            make=_stack,
            before=(_died(f"attempt site-1 after {JOURNAL} #6"),),
            act=("retry", "dev#1"),
            effects={},
            hosts=frozenset("ab"),
        ),
        Scenario(
            name="restore",
            make=_stack,
            before=(UP, _changed, UP),
            act=("stack", "restore", "dev", "site", "1", "--yes"),
            effects={},
            hosts=frozenset("ac"),
            known=frozenset("ab"),
            runs=False,
        ),
        Scenario(
            name="hold",
            make=_commands,
            act=("hold", "dev", "--why", "looking"),
            held=1,
            runs=False,
            effects={"first": 0, "second": 0},
        ),
        Scenario(
            name="release",
            make=_commands,
            before=(("hold", "dev", "--why", "looking"),),
            act=("hold", "dev", "--release"),
            held=0,
            runs=False,
            effects={"first": 0, "second": 0},
        ),
        Scenario(
            name="init",
            make=_commands,
            act=("store", "init"),
            init=False,
            runs=False,
            effects={"first": 0, "second": 0},
        ),
    )
}
