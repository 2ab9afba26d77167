"""Is a replayed journal what the CLI would have written itself? The same acts, done twice.

One side's service takes journals, the other's CLI is told to write whole checkpoints. After every
act both states must be the same, but for times, random ids and ciphertexts.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from orchestrator.model.stacks import StackName, Writer
from orchestrator.pulumi.service.server import served
from orchestrator.pulumi.service.service import StackService
from orchestrator.store.opening import memory_store
from orchestrator.trust.vault import Keys, StoreVault
from orchestrator.wiring.clock import SystemClock
from tests.needs import pulumi_path
from tests.pulumi import varied_provider

STACK = StackName("varied", "dev")
FULL = "organization/varied/dev"
KIND = "varied:index:Thing"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PATIENCE = 120.0  # seconds


@dataclass(kw_only=True)
class Thing:
    """One resource of the program."""

    name: str
    properties: dict[str, str]
    options: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        options = {"version": varied_provider.VERSION, **self.options}
        return {"type": KIND, "properties": dict(self.properties), "options": options}


@dataclass(frozen=True, kw_only=True)
class Act:
    """words: of the CLI. world: files that are there meanwhile. kills: the CLI, once it hangs."""

    what: str
    words: tuple[str, ...]
    world: tuple[str, ...] = ()
    kills: str = ""


class Program:
    """A program that changes, as chance will have it.

    Every second one is a chain, in which one thing is done after the other: where something fails
    or is killed on the way, it is the same on both sides.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._is_chain = seed % 2 == 0
        self._count = 0
        self.things: list[Thing] = []
        for _ in range(self._random.randint(2, 4)):
            self._add()

    def text(self) -> str:
        """YAML (JSON is YAML)."""
        resources = {thing.name: thing.body() for thing in self.things}
        names = list(resources)
        for before, name in pairwise(names):
            if self._is_chain:
                options = resources[name]["options"]
                options["dependsOn"] = [*options.get("dependsOn", ()), f"${{{before}}}"]
        outputs = {thing.name: f"${{{thing.name}.made}}" for thing in self.things}
        body = {"name": "varied", "runtime": "yaml", "resources": resources, "outputs": outputs}
        return json.dumps(body, indent=1)

    def change(self) -> None:
        for _ in range(self._random.randint(1, 3)):
            self._random.choice(
                [
                    self._add,
                    self._add,
                    self._drop,
                    self._set,
                    self._set,
                    self._replace,
                    self._replace,
                    self._rename,
                    self._tune,
                ]
            )()

    def act(self) -> Act:
        """What is done with it now."""
        chance = self._random.random()
        some = self._random.choice(self.things).name if self.things else "none"
        urn = f"urn:pulumi:dev::varied::{KIND}::{some}"
        up = ("up", "--yes", "--skip-preview")
        if chance < 0.38:
            return Act(what="up", words=up)
        if chance < 0.46:
            return Act(what="up --refresh", words=(*up, "--refresh"))
        if chance < 0.54:
            return Act(what="refresh", words=("refresh", "--yes", "--skip-preview"))
        if chance < 0.70 and self._is_chain:
            act = self._random.choice(["create", "update", "delete"])
            fails = tuple(f"fails-{act}-{thing.name}" for thing in self.things[-2:])
            return Act(what=f"failing {act}", words=up, world=fails)
        if chance < 0.78 and self._is_chain:
            act = self._random.choice(["create", "update"])
            hangs = tuple(f"hangs-{act}-{thing.name}" for thing in self.things)
            return Act(what=f"killed {act}", words=up, world=hangs, kills="hanging-*")
        if chance < 0.86:
            more = ("--target-dependents",) if self._random.random() < 0.5 else ()
            return Act(what="up --target", words=(*up, "--target", urn, *more))
        if chance < 0.91:
            return Act(what="up --replace", words=(*up, "--replace", urn))
        destroy = ("destroy", "--yes", "--skip-preview")
        if chance < 0.96:
            words = (*destroy, "--target", urn, "--target-dependents")
            return Act(what="destroy --target", words=words)
        return Act(what="destroy", words=destroy)

    def by_hand(self, worlds: list[Path]) -> None:
        """Somebody changes the world: the same in both."""
        if self._random.random() < 0.25:
            ids = sorted(path.name for path in worlds[0].glob("thing-*"))
            if ids:
                gone, which = self._random.random() < 0.5, self._random.choice(ids)
                for world in worlds:
                    if gone:
                        (world / which).unlink()
                    else:
                        (world / which).write_text(json.dumps({"value": "by hand"}))

    def _add(self) -> None:
        self._count += 1
        earlier = [thing.name for thing in self.things]
        thing = Thing(name=f"t{self._count}", properties=self._values())
        if earlier and self._random.random() < 0.5:
            thing.properties["link"] = f"${{{self._random.choice(earlier)}.made}}"
        if earlier and self._random.random() < 0.35:
            thing.options["dependsOn"] = [f"${{{self._random.choice(earlier)}}}"]
        if earlier and self._random.random() < 0.25:
            thing.options["parent"] = f"${{{self._random.choice(earlier)}}}"
        if earlier and self._random.random() < 0.15:
            thing.options["deletedWith"] = f"${{{self._random.choice(earlier)}}}"
        self.things.append(thing)

    def _values(self) -> dict[str, str]:
        values = {"value": str(self._random.randint(0, 9)), "key": str(self._random.randint(0, 9))}
        if self._random.random() < 0.3:
            values["dbr"] = "yes"
        return values

    def _drop(self) -> None:
        """Whatever names it loses that."""
        if len(self.things) < 2:
            return
        gone = self.things.pop(self._random.randrange(len(self.things)))
        mention = f"${{{gone.name}"
        for thing in self.things:
            for of in (thing.properties, thing.options):
                for key in [key for key, value in of.items() if mention in json.dumps(value)]:
                    del of[key]

    def _set(self) -> None:
        thing = self._random.choice(self.things)
        thing.properties["value"] = str(self._random.randint(0, 99))

    def _replace(self) -> None:
        self._random.choice(self.things).properties["key"] = str(self._random.randint(0, 99))

    def _rename(self) -> None:
        """Under its old name as an alias; what names it does so by the new one."""
        self._count += 1
        thing = self._random.choice(self.things)
        old, new = thing.name, f"t{self._count}"
        for each in self.things:
            each.properties = json.loads(_renamed(json.dumps(each.properties), old, new))
            each.options = json.loads(_renamed(json.dumps(each.options), old, new))
        thing.name = new
        thing.options["aliases"] = [{"name": old}]

    def _tune(self) -> None:
        thing = self._random.choice(self.things)
        key, value = self._random.choice(
            [
                ("protect", True),
                ("protect", False),
                ("retainOnDelete", True),
                ("deleteBeforeReplace", True),
                ("ignoreChanges", ["value"]),
                ("replaceOnChanges", ["value"]),
                ("additionalSecretOutputs", ["made"]),
            ]
        )
        thing.options[key] = value


def _renamed(text: str, old: str, new: str) -> str:
    return text.replace(f"${{{old}.", f"${{{new}.").replace(f"${{{old}}}", f"${{{new}}}")


class Side:
    """A service over a store of its own, and a world."""

    def __init__(self, folder: Path, *, journals: bool, stack: ExitStack) -> None:
        self.folder = folder
        self.world = folder / "world"
        self.world.mkdir(parents=True)
        varied_provider.install(folder / "home")
        (folder / "login").mkdir()
        self._journals = journals
        self.store = memory_store("varied-1", folder=folder)
        stack.callback(self.store.close)
        now = SystemClock().now()
        with self.store.write() as tx:
            lease = tx.take_lease("p", "dev", owner="ana", purpose="run p/dev#1", at=now)
        self._token = lease.token
        self._vault = StoreVault(Keys.create(folder / "keys.json"))

    def do(self, act: Act, program: str, attempt: int) -> int:
        """The CLI's exit code; of one that is killed the signal."""
        here = self.folder / "program"
        here.mkdir(exist_ok=True)
        (here / "Pulumi.yaml").write_text(program)
        for name in act.world:
            (self.world / name).touch()
        by = Writer(
            pipeline="p", environment="dev", token=self._token, run="1", stage="s", attempt=attempt
        )
        service = StackService(
            store=self.store, vault=self._vault, writer=by, now=SystemClock().now
        )
        with served(service) as url:
            code = self._run(act, here, url, service.token)
        for name in act.world:
            (self.world / name).unlink()
        for path in self.world.glob("hanging-*"):
            path.unlink()
        return code

    def _run(self, act: Act, here: Path, url: str, token: str) -> int:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": url,
            "PULUMI_ACCESS_TOKEN": token,
            "PULUMI_CREDENTIALS_PATH": str(self.folder / "login"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "VARIED_WORLD": str(self.world),
            **({} if self._journals else {"PULUMI_DISABLE_JOURNALING": "true"}),
        }
        with self.store.read() as tx:
            known = tx.stack(STACK) is not None
        words = ("--stack", FULL, "--non-interactive", "--color", "never")
        if not known:
            init = [str(pulumi_path()), "stack", "init", FULL, "--non-interactive"]
            subprocess.run(init, cwd=here, env=env, check=True, capture_output=True)
        with (self.folder / "said").open("wb") as said:
            process = subprocess.Popen(
                [str(pulumi_path()), *act.words, "--parallel", "1", *words],
                cwd=here,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            if act.kills and list(self.world.glob(act.kills)):
                process.kill()
            time.sleep(0.01)
        if process.poll() is None:
            process.kill()
            raise AssertionError(f"pulumi {' '.join(act.words)} did not end")
        code = process.wait()
        _end_plugins(self.world)
        return code

    def is_broken(self) -> bool:
        return "is not whole" in (self.folder / "said").read_text()

    def state(self) -> Mapping[str, Any]:
        """What the two sides must have in common."""
        with self.store.read() as tx:
            content = tx.deployment(STACK)
        if content is None:
            return {}
        known: dict[str, str] = {}
        text = _UUID.sub(
            lambda m: known.setdefault(m.group(), f"random-{len(known)}"), content.decode()
        )
        kept = json.loads(text)
        return {key: _comparable(kept.get(key)) for key in ("version", "features", "deployment")}


def _comparable(value: Any, key: str = "") -> Any:
    """Without times, ciphertexts and addresses; lists in an order of their own, for what does not
    depend on each other is made, and named, in any.
    """
    if isinstance(value, dict):
        left_out = ("created", "modified", "ciphertext", "time")
        if key == "secrets_providers":
            return value["type"]
        return {k: _comparable(v, k) for k, v in value.items() if k not in left_out}
    if not isinstance(value, list):
        return value
    return sorted((_comparable(item, key) for item in value), key=json.dumps)


def _end_plugins(world: Path) -> None:
    """A killed CLI leaves its provider behind."""
    wanted = f"VARIED_WORLD={world}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)
        except OSError:
            continue


def compared(seed: int, folder: Path, acts: int = 6) -> Counter[str]:
    """How often what was done; raises AssertionError at the first act with different states."""
    done: Counter[str] = Counter()
    program = Program(seed)
    with ExitStack() as stack:
        sides = [
            Side(folder / name, journals=name == "journals", stack=stack)
            for name in ("journals", "whole")
        ]
        for number in range(1, acts + 1):
            act = Act(what="up", words=("up", "--yes", "--skip-preview"))
            if number > 1:
                program.change()
                program.by_hand([side.world for side in sides])
                act = program.act()
            codes = [side.do(act, program.text(), number) for side in sides]
            if any(side.is_broken() for side in sides):  # the CLI's own mistake, told by us
                done["a state that is not whole, and is told"] += 1
                break
            replayed, written = (side.state() for side in sides)
            assert codes[0] == codes[1], f"seed {seed}, act {number} ({act.what}): exits {codes}"
            assert replayed == written, (
                f"seed {seed}, act {number} ({act.what}): {_first(replayed, written)}"
            )
            done[f"{act.what} ({'well' if codes[0] == 0 else 'ill'})"] += 1
        shutil.rmtree(folder)
    return done


def _first(one: Any, other: Any, where: str = "") -> str:
    """Where two states differ first."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if one.get(key) != other.get(key):
                return _first(one.get(key), other.get(key), f"{where}.{key}")
    if isinstance(one, list) and isinstance(other, list):
        for place in range(max(len(one), len(other))):
            a = one[place] if place < len(one) else None
            b = other[place] if place < len(other) else None
            if a != b:
                return _first(a, b, f"{where}[{place}]")
    return f"{where}: replayed {json.dumps(one)[:300]}, written {json.dumps(other)[:300]}"
