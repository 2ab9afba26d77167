"""How does a test make a small project and ask the real command line about it?

A project of command stages costs nothing: what a stage did to the world is a line appended to a
file of its own in `world`, so that a test counts what ran, and how often. A stage that is `held`
goes on only when the test lets it.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.store import make_key
from orchestrator.store.opening import init_store

CHECKOUT = Path(__file__).parent.parent.parent
CLI = (sys.executable, "-m", "orchestrator.cli.main")
PATIENCE = 120.0  # seconds until a test gives up; a busy machine is no reason to fail
MARK = b"ORCHESTRATOR_ATTEMPT="

PROJECT = """\
apiVersion: orchestrator/v1
kind: Project
id: {id}
store: {store}
---
apiVersion: orchestrator/v1
kind: Pipeline
name: tiny
"""
ENVIRONMENT = """\
apiVersion: orchestrator/v1
kind: Environment
name: {name}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command of ours said."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err

    @property
    def last(self) -> dict[str, Any]:
        """The last line of --json."""
        return dict(json.loads(self.out.splitlines()[-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A command of ours that goes on in the background."""

    process: subprocess.Popen[bytes]
    files: Path  # …out and …err

    @property
    def err(self) -> str:
        return self.files.with_suffix(".err").read_text()

    @property
    def out(self) -> str:
        return self.files.with_suffix(".out").read_text()

    def answer(self) -> Answer:
        """Waits for its end."""
        code = self.process.wait(PATIENCE)
        return Answer(code=code, out=self.out, err=self.err)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, to this process alone; its attempts do not notice."""
        self.process.kill()
        self.process.wait(PATIENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiny:
    """A project in a folder, with a state home of its own."""

    root: Path
    home: Path  # XDG_STATE_HOME
    world: Path  # what stages did, and what they wait for
    id: str = "tiny-1"
    begun: list[Begun] = field(default_factory=list)

    @property
    def store(self) -> Path:
        return self.home / "orchestrator" / self.id

    @property
    def database(self) -> Path:
        return self.store / "orchestrator.db"

    def variables(self) -> dict[str, str]:
        """Our own environment without what would change an answer."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {
            **kept,
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "PYTHONPATH": str(CHECKOUT),
            "XDG_STATE_HOME": str(self.home),
        }

    def ask(
        self, *words: str, variables: Mapping[str, str] | None = None, root: Path | None = None
    ) -> Answer:
        """What `orchestrator …` answers."""
        done = subprocess.run(
            [*CLI, *words],
            cwd=root or self.root,
            env=self.variables() | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Answer(code=done.returncode, out=done.stdout, err=done.stderr)

    def begin(self, *words: str, variables: Mapping[str, str] | None = None) -> Begun:
        """`orchestrator …` in the background."""
        files = self.world / f"said-{len(self.begun)}"
        with (
            files.with_suffix(".out").open("wb") as out,
            files.with_suffix(".err").open("wb") as err,
        ):
            process = subprocess.Popen(
                [*CLI, *words],
                cwd=self.root,
                env=self.variables() | dict(variables or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        begun = Begun(process=process, files=files)
        self.begun.append(begun)
        return begun

    def pipeline(self, *stages: str, head: str = "") -> None:
        """orchestrator.yaml with these stages (see `stage`). head: other keys of the pipeline."""
        text = PROJECT.format(id=self.id, store="local") + head + "stages:\n" + "".join(stages)
        self.write("orchestrator.yaml", text)

    def environment(self, name: str, more: str = "") -> None:
        path = f"inventories/{name}/environment.yaml"
        self.write(path, ENVIRONMENT.format(name=name) + more)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def count(self, name: str) -> int:
        """How often the stage did what it does."""
        path = self.world / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    def counts(self, *names: str) -> list[int]:
        return [self.count(name) for name in names]

    def let(self, name: str) -> None:
        """The held stage of that name goes on."""
        (self.world / f"{name}.go").touch()

    def hold(self, name: str) -> None:
        (self.world / f"{name}.go").unlink(missing_ok=True)

    def until_begun(self, name: str, times: int = 1) -> None:
        until(lambda: self.count(name) >= times, f"{name} has begun {times} times")

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        """Looks into the database, past all of ours."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(question).fetchall()

    def stage_status(self, stage: str) -> str:
        try:
            rows = self.rows(f"select status from stages where stage = '{stage}' order by rowid")
        except sqlite3.OperationalError:  # not made yet
            return ""
        return str(rows[-1][0]) if rows else ""

    def marked(self) -> list[int]:
        """Processes that carry a mark of this project's store."""
        about = self.store / "store.json"
        if not about.exists():
            return []
        return marked(json.loads(about.read_text())["store"])

    def attempt_process(self, stage: str, number: int = 1, run: int = 1) -> int:
        """The pid of the process that holds the lock of an attempt."""
        lock = self.store / "attempts" / "tiny" / f"dev-{run}" / f"{stage}-{number}/attempt.lock"
        return holder(lock)

    def end(self) -> None:
        """Whatever a failed test left running ends."""
        for begun in self.begun:
            if begun.process.poll() is None:
                begun.kill()
        for pid in [*self.marked(), *of_home(self.home)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def made(folder: Path, *stages: str, init: bool = True, id: str = "tiny-1") -> Tiny:
    """A project with an environment dev and, unless told otherwise, its store."""
    tiny = Tiny(root=folder / "project", home=folder / "state", world=folder / "world", id=id)
    for path in (tiny.root, tiny.home, tiny.world):
        path.mkdir()
    tiny.pipeline(*stages)
    tiny.environment("dev")
    if init:
        _make_store(tiny)
    return tiny


def stage(name: str, kind: Mapping[str, Any], **keys: Any) -> str:
    """One stage as a line of YAML (JSON is YAML)."""
    return f"  {name}: {json.dumps({**kind, **keys})}\n"


def command(world: Path, name: str, script: str = "", **keys: Any) -> str:
    """A stage that counts itself, then does what the script says."""
    counted = f"echo x >> {world / name}; {script}"
    arguments = keys.pop("arguments", [])
    env = keys.pop("env", {})
    run = {"run": ["sh", "-c", counted, *arguments], **({"env": env} if env else {})}
    return stage(name, {"command": run}, **keys)


def held(world: Path, name: str, script: str = "", **keys: Any) -> str:
    """A stage that counts itself, waits until it is let, then does what the script says."""
    wait = f"while [ ! -e {world / name}.go ]; do sleep 0.05; done; {script}"
    return command(world, name, wait, **keys)


def outputs(**values: Any) -> str:
    """The script that hands these outputs on."""
    return f"echo '{json.dumps(values)}' > $ORCHESTRATOR_OUTPUT"


def until(holds: Callable[[], object], what: str) -> None:
    """Returns once it holds; fails the test where it never does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.02)


def marked(store_id: str) -> list[int]:
    """Pids of all processes that carry an attempt's mark of that store."""
    wanted = MARK + store_id.encode()
    return [pid for pid, environ in _environs() if wanted in environ]


def holder(lock: Path) -> int:
    """The pid of the process that holds an flock on the file; 0 where nobody does."""
    try:
        inode = lock.stat().st_ino
    except FileNotFoundError:
        return 0
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
            return _open_in(lock)
    return 0


def children(pid: int) -> list[int]:
    """Pids of the processes that a process started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == pid:
            found.append(int(path.parent.name))
    return found


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits only to be buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def files_with(folder: Path, needles: Sequence[bytes]) -> list[str]:
    """Files below the folder in which any of the needles stands, or whose name holds one."""
    found = []
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        if any(needle in content or needle in os.fsencode(path.name) for needle in needles):
            found.append(str(path.relative_to(folder)))
    return found


def git(root: Path, *words: str) -> str:
    """What git answers in a folder, with nobody's configuration."""
    program = shutil.which("git")
    assert program
    done = subprocess.run(
        [program, "-c", "user.name=t", "-c", "user.email=t@example.com", *words],
        cwd=root,
        env={"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _make_store(tiny: Tiny) -> None:
    """What `orchestrator store init` does, without a second for starting it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ORCHESTRATOR_STATE", raising=False)
        patch.setenv("XDG_STATE_HOME", str(tiny.home))
        store = init_store(tiny.id, at=datetime.now(UTC), make_key=make_key)
        store.close()


def _environs() -> Iterator[tuple[int, bytes]]:
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            yield int(path.parent.name), path.read_bytes()
        except OSError:
            continue


def of_home(home: Path) -> list[int]:
    """Processes of ours that use that state home: warm parents and attempts."""
    wanted = f"XDG_STATE_HOME={home}".encode()
    mine = os.getpid()
    return [pid for pid, environ in _environs() if wanted in environ.split(b"\0") and pid != mine]


def _open_in(path: Path) -> int:
    """A process that has the file open."""
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(descriptor) == str(path):
                return int(descriptor.parts[2])
        except OSError:
            continue
    return 0
