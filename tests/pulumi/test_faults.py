"""What if it is cancelled, killed, locked, late? With the real CLI."""

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from orchestrator.model.definitions import Cause
from orchestrator.model.runs import Status
from orchestrator.procs import marked
from tests.needs import needs_pulumi
from tests.pulumi.conftest import DYNAMIC, both
from tests.pulumi.stage import Stage

pytestmark = [needs_pulumi]
T = TypeVar("T")


@pytest.mark.parametrize("warm", [True, False])
def test_cancel_leaves_no_process(stage: Stage, warm: bool) -> None:
    """Cancelled in the middle of a slow program: no process of the attempt is left."""
    stage.warm = warm
    stage.write({"__main__.py": SLOW})
    attempt = stage.start("apply")
    pid = wait_for(lambda: _number(stage.root / "pid"))
    attempt.send_signal(signal.SIGTERM)
    done = stage.end(attempt)
    assert done.outcome.status is Status.CANCELLED
    wait_for(lambda: not _alive(pid))
    assert marked(stage.mark) == ()


def test_timeout_is_told_as_such(stage: Stage) -> None:
    """A stage that is too slow fails with cause timeout."""
    stage.write({"__main__.py": SLOW})
    stage.timeout = timedelta(seconds=4)
    outcome = stage.do("apply").outcome
    assert (outcome.status, outcome.cause) == (Status.FAILED, Cause.TIMEOUT)


def test_killed_attempt_takes_its_programs_along(stage: Stage) -> None:
    """SIGKILL of the attempt ends the forked program; it holds no descriptor of the attempt."""
    stage.write({"__main__.py": SLOW})
    attempt = stage.start("apply")
    pid = wait_for(lambda: _number(stage.root / "pid"))
    attempt.kill()
    attempt.communicate()
    wait_for(lambda: not _alive(pid))
    wait_for(lambda: not marked(stage.mark))


@both
def test_killed_cli_then_again(stage: Stage) -> None:
    """SIGKILL of the CLI in the middle of a create: lost; then the person is asked, not guessed."""
    stage.write(DYNAMIC)
    world = stage.root / "world"
    stage.spec["config"] = {"world": str(world), "slow": "60"}
    attempt = stage.start("apply")
    wait_for(lambda: (world / "b.begun").exists())
    os.kill(cli_of(stage.mark), signal.SIGKILL)
    done = stage.end(attempt)
    assert done.last["kind"] == "ExecutorError"
    assert "signal 9" in done.error
    assert marked(stage.mark) == ()
    stage.spec["config"] = {"world": str(world)}
    outcome = stage.do("apply").outcome
    assert outcome.status is Status.FAILED
    assert "may or may not exist" in outcome.failures[0].what
    assert "pulumi-python:dynamic:Resource b" in outcome.failures[0].what
    assert "--clear-pending-creates" in outcome.failures[0].what
    assert stage.builtin or "dead process" in "".join(outcome.notes)


def test_living_lock_is_respected(stage: Stage) -> None:
    """A lock of another machine is not removed, and its holder is named."""
    stage.do("apply")
    folder = stage.root / "state/.pulumi/locks/organization/site/dev"
    folder.mkdir(parents=True, exist_ok=True)
    lock = {
        "pid": 1,
        "username": "ana",
        "hostname": "elsewhere",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    (folder / "one.json").write_text(json.dumps(lock))
    (failure,) = stage.do("apply").outcome.failures
    assert "ana@elsewhere" in failure.what
    assert "Another process holds this stack" in failure.what


SLOW = """\
import os, pathlib, time
folder = pathlib.Path(__file__).parents[3]
(folder / "pid.new").write_text(str(os.getpid()))
(folder / "pid.new").rename(folder / "pid")
time.sleep(600)
"""


def _number(path: Path) -> int:
    return int(path.read_text()) if path.exists() else 0


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except FileNotFoundError:
        return False


def cli_of(mark: str) -> int:
    for pid in marked(mark):
        if Path(f"/proc/{pid}/comm").read_text().strip() == "pulumi":
            return pid
    raise AssertionError("no CLI is running")


def wait_for(condition: Callable[[], T], seconds: float = 60) -> T:
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
    return result


TOY = """\
import pulumi
config = pulumi.Config()
inputs = {"world": config.require("world"), **(config.get_object("more") or {})}
options = pulumi.ResourceOptions(version="9.9.9")
pulumi.CustomResource("lighthost:index:Host", "web", inputs, options)
"""


@both
@pytest.mark.parametrize("moment", ["early", "slow"])
@pytest.mark.parametrize("act", ["apply", "destroy"])
def test_killed_create_is_found_again(stage: Stage, moment: str, act: str) -> None:
    """SIGKILL of the CLI before or after a create happened: not made twice, and nothing is left."""
    from tests.pulumi import toy_provider

    toy_provider.install(stage.root / "home")
    world = stage.root / "world"
    world.mkdir()
    stage.credentials = {"TOY_WORLD": str(world)}
    stage.write({"__main__.py": TOY})
    stage.spec["config"] = {"world": str(world), "more": {moment: True}}
    attempt = stage.start("apply")
    wait_for(lambda: list(world.glob("*.begun-*")))
    if moment == "slow":
        wait_for(lambda: [p for p in world.iterdir() if ".begun" not in p.name])
    os.kill(cli_of(stage.mark), signal.SIGKILL)
    assert stage.end(attempt).last["kind"] == "ExecutorError"
    stage.spec["config"] = {"world": str(world)}
    done = stage.do(act)
    assert done.outcome.status is Status.SUCCEEDED, done.outcome.failures
    created = len(list(world.glob("*.begun-*")))
    standing = [p for p in world.iterdir() if ".begun" not in p.name]
    if act == "apply":
        assert len(standing) == 1
        assert created == (2 if moment == "early" else 1)
    else:
        assert standing == []


@both
def test_cancel_in_a_create_tells_what_is_unfinished(stage: Stage) -> None:
    """A create that does not end in its grace is killed, and the notes name the resource."""
    stage.write(DYNAMIC)
    world = stage.root / "world"
    stage.grace = timedelta(seconds=1)
    stage.spec["config"] = {"world": str(world), "slow": "60"}
    attempt = stage.start("apply")
    wait_for(lambda: (world / "b.begun").exists())
    attempt.send_signal(signal.SIGTERM)
    outcome = stage.end(attempt).outcome
    assert outcome.status is Status.CANCELLED
    assert "Resource b" in "".join(outcome.notes)
    assert marked(stage.mark) == ()
