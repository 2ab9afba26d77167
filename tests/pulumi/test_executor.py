"""Does a Pulumi stage do what it should, with the real CLI?"""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from orchestrator.model.definitions import Cause
from orchestrator.model.runs import Changes, Status
from orchestrator.model.values import Secret
from orchestrator.procs import marked
from tests.needs import needs_postgres, needs_pulumi
from tests.postgres import Postgres
from tests.pulumi.conftest import DYNAMIC
from tests.pulumi.stage import Stage

pytestmark = [needs_pulumi]
T = TypeVar("T")


@pytest.mark.parametrize("warm", [True, False])
def test_modules_are_never_lost(stage: Stage, warm: bool) -> None:
    """Preview and update, twice: a resource that an imported module declares is always declared."""
    stage.warm = warm
    assert stage.do("plan").plan.changes.create == 3
    assert stage.do("apply").outcome.changes.create == 3
    assert not stage.do("plan").plan.rows
    again = stage.do("apply")
    assert again.outcome.changes.same == 3
    assert not again.outcome.changes.any
    assert again.logs() == ["hello from the program"]


def test_plan_changes_nothing(stage: Stage) -> None:
    """A plan of a stack that does not exist leaves none behind."""
    stage.outputs = {"size": "int", "token": "secret(string)"}
    plan = stage.do("plan").plan
    assert plan.outputs == {"size": 1}
    assert plan.unknown == ("token",)
    assert not stage.checkpoint.exists()


def test_outputs_are_typed_and_secret(stage: Stage) -> None:
    """Declared outputs come, a secret one as Secret; others do not."""
    stage.outputs = {"size": "int", "token": "secret(string)"}
    outcome = stage.do("apply").outcome
    assert outcome.outputs == {"size": 1, "token": Secret("hush-hush")}
    assert stage.do("unchanged").last["result"] == "refreshed preview: no changes"
    assert stage.do("plan").plan.outputs == outcome.outputs


def test_secret_output_must_be_declared_so(stage: Stage) -> None:
    """An output that the program marks secret fails a stage that declares it open, by name."""
    stage.outputs = {"token": "string"}
    outcome = stage.do("apply").outcome
    assert outcome.status is Status.FAILED
    assert "secret(string)" in outcome.failures[0].what
    assert "token" in outcome.failures[0].where


def test_thrown_error_names_its_line(stage: Stage) -> None:
    """A program that throws fails the stage with file, line and message."""
    stage.write({"parts.py": "import pulumi\n\nraise ValueError('no such size')\n"})
    outcome = stage.do("apply").outcome
    (failure,) = outcome.failures
    assert outcome.status is Status.FAILED
    assert failure.file == "stacks/site/parts.py:3"
    assert failure.what.endswith("ValueError: no such size")


def test_missing_config_is_named(stage: Stage) -> None:
    """A key that the program requires and nobody gave is named, with the place to give it."""
    stage.write({"__main__.py": "import pulumi\npulumi.Config().require('image')\n"})
    (failure,) = stage.do("apply").outcome.failures
    assert "site:image" in failure.what
    assert "'config'" in failure.what


def test_missing_plugin_says_the_fix(stage: Stage) -> None:
    """A provider that is not installed is named, with the command that brings it."""
    stage.write(
        {
            "__main__.py": "import pulumi\n"
            "pulumi.CustomResource('nowhere:index:Thing', 'a', {}, "
            "pulumi.ResourceOptions(version='1.2.3'))\n"
        }
    )
    (failure, *_) = stage.do("apply").outcome.failures
    assert "pulumi plugin install resource nowhere 1.2.3" in failure.what


CONFIG = {
    "__main__.py": """\
import json, pulumi
config = pulumi.Config()
pulumi.export("all", {
    "text": config.require("text"),
    "flag": config.require_bool("flag"),
    "count": config.require_int("count"),
    "share": config.require_float("share"),
    "list": config.require_object("list"),
    "map": config.require_object("map"),
    "region": pulumi.Config("aws").require("region"),
    "base": config.get("base"),
})
pulumi.export("secret", config.require_secret("password"))
pulumi.export("nested", config.require_secret_object("nested"))
pulumi.export("whole", config.require_secret_object("whole"))
"""
}


def test_config_reaches_the_program(stage: Stage) -> None:
    """Every kind of value arrives as it was, over the project's own stack file as base."""
    stage.write({**CONFIG, "Pulumi.dev.yaml": "config:\n  site:base: kept\n  site:text: old\n"})
    stage.spec["config"] = {
        "text": "new",
        "flag": True,
        "count": 3,
        "share": 0.5,
        "list": ["a", 1, True],
        "map": {"a": {"b": 2}},
        "aws:region": "eu-west-1",
        "password": Secret("pa$$word"),
        "nested": {"user": "u", "key": Secret("k-1")},
        "whole": Secret({"deep": ["x", 1]}),
    }
    stage.outputs = {
        "all": "object",
        "secret": "secret(string)",
        "nested": "secret(object)",
        "whole": "secret(object)",
    }
    outcome = stage.do("apply").outcome
    assert outcome.status is Status.SUCCEEDED, outcome.failures
    assert outcome.outputs == {
        "all": {
            "text": "new",
            "flag": True,
            "count": 3,
            "share": 0.5,
            "list": ["a", 1, True],
            "map": {"a": {"b": 2}},
            "region": "eu-west-1",
            "base": "kept",
        },
        "secret": Secret("pa$$word"),
        "nested": Secret({"user": "u", "key": "k-1"}),
        "whole": Secret({"deep": ["x", 1]}),
    }
    assert (stage.program / "Pulumi.dev.yaml").read_text().startswith("config:\n  site:base")
    assert stage.do("apply").outcome.changes.any is False


def test_secrets_stand_nowhere_in_clear(stage: Stage) -> None:
    """No config secret and no passphrase is on a command line, in the state, or left in a file."""
    stage.write(
        {
            "__main__.py": """\
import os, pulumi
for name in os.listdir("/proc"):
    if name.isdigit():
        try:
            line = open(f"/proc/{name}/cmdline").read()
        except OSError:
            continue
        if "--stack" in line and "site" in line:
            print("SEEN", line.replace("\\0", " "))
print("ENV", sorted(os.environ))
pulumi.export("out", pulumi.Config().require_secret("password"))
"""
        }
    )
    stage.spec["config"] = {"password": Secret("open sesame")}
    stage.outputs = {"out": "secret(string)"}
    stage.env = {"DATABASE_URL": "postgresql://secret-host", "ALSO": "hidden"}
    stage.credentials = {"CLOUD_KEY": "k"}
    done = stage.do("apply")
    assert done.outcome.outputs == {"out": Secret("open sesame")}
    seen = [line for line in done.logs() if line.startswith("SEEN")]
    assert any("up --yes" in line for line in seen)
    assert not any("sesame" in line or "correct horse" in line for line in seen)
    (env,) = [line for line in done.logs() if line.startswith("ENV")]
    assert "CLOUD_KEY" in env
    assert not {"DATABASE_URL", "ALSO", "PULUMI_CONFIG_PASSPHRASE"} & set(env.split("'"))
    for path in stage.root.rglob("*"):
        if path.is_file() and path.name != "__main__.py":
            content = path.read_bytes()
            assert b"open sesame" not in content, path
            assert b"correct horse" not in content, path


def test_own_passphrase_opens_the_base_file(stage: Stage) -> None:
    """A stack file with secrets of the user's own passphrase works where the user hands it on."""
    from orchestrator.pulumi.passphrase import new_cipher

    cipher = new_cipher("my own")
    secure = cipher.encrypt("from the file")
    stage.write(
        {
            "__main__.py": "import pulumi\n"
            "pulumi.export('out', pulumi.Config().require_secret('word'))\n",
            "Pulumi.dev.yaml": f"encryptionsalt: {cipher.salt}\n"
            f"config:\n  site:word:\n    secure: {secure}\n",
        }
    )
    stage.outputs = {"out": "secret(string)"}
    assert "PULUMI_CONFIG_PASSPHRASE" in stage.do("apply").error
    stage.credentials = {"PULUMI_CONFIG_PASSPHRASE": "my own"}
    assert stage.do("apply").outcome.outputs == {"out": Secret("from the file")}


def test_virtualenv_of_the_stack(stage: Stage) -> None:
    """A program runs under the interpreter its Pulumi.yaml names, also one beside the checkout."""
    checkout = stage.root / "checkout"
    venv = checkout / "stacks" / "site" / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    libraries = next(venv.glob("lib/python*/site-packages"))
    (libraries / "ours.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    stage.checkout = checkout
    stage.write(
        {
            "Pulumi.yaml": "name: site\nruntime: {name: python, options: {virtualenv: env}}\n",
            "__main__.py": "import pulumi, sys\npulumi.export('prefix', sys.prefix)\n",
        }
    )
    stage.outputs = {"prefix": "string"}
    assert stage.do("apply").outcome.outputs == {"prefix": str(venv)}
    stage.checkout = None
    assert "env" in stage.do("apply").error


def test_yaml_program(stage: Stage) -> None:
    """`runtime: yaml` runs by the CLI's own language host."""
    stage.write(
        {"Pulumi.yaml": "name: site\nruntime: yaml\nvariables: {a: 1}\noutputs: {a: '${a}'}\n"}
    )
    stage.outputs = {"a": "int"}
    outcome = stage.do("apply").outcome
    assert outcome.status is Status.SUCCEEDED, outcome.failures
    assert outcome.outputs == {"a": 1}


def test_failed_resource_is_named(stage: Stage) -> None:
    """A resource that cannot be made is the failure, with the provider's own words and no echo."""
    stage.write(DYNAMIC)
    stage.spec["config"] = {"world": str(stage.root / "world"), "bad": True}
    done = stage.do("apply")
    (failure,) = done.outcome.failures
    assert failure.where == "pulumi-python:dynamic:Resource b"
    assert failure.what == "no room for b"
    assert ("create", "b") in done.resources("failed")
    stage.spec["config"] = {"world": str(stage.root / "world")}
    assert stage.do("apply").outcome.changes.create == 1


def test_drift_is_seen_and_mended(stage: Stage) -> None:
    """What was taken away behind our back is in the plan, never "unchanged", and made again."""
    stage.write(DYNAMIC)
    stage.spec["config"] = {"world": str(stage.root / "world")}
    stage.do("apply")
    assert stage.do("unchanged").last["result"]
    (stage.root / "world" / "b").unlink()
    assert stage.do("unchanged").last["result"] == ""
    (row,) = stage.do("plan").plan.rows
    assert (row.address, row.operation) == ("pulumi-python:dynamic:Resource b", "create")
    assert stage.do("apply").outcome.changes.create == 1
    stage.spec["config"]["v"] = 7
    (row,) = stage.do("plan").plan.rows
    assert (row.operation, row.paths, row.detail) == ("update", ("v",), "v: 1 -> 7")


def test_unknown_outputs_are_not_guessed(stage: Stage) -> None:
    """An output that a resource will only have once it exists is unknown in a plan."""
    stage.write(DYNAMIC)
    stage.spec["config"] = {"world": str(stage.root / "world")}
    stage.outputs = {"made": "int", "text": "string", "v": "int"}
    plan = stage.do("plan").plan
    assert plan.outputs == {"v": 1}
    assert set(plan.unknown) == {"made", "text"}
    assert stage.do("apply").outcome.outputs == {"made": 1, "text": "made 1", "v": 1}


def test_destroy_leaves_nothing(stage: Stage) -> None:
    """Resources, the stack and what was kept for it are gone; a second destroy finds nothing."""
    stage.write(DYNAMIC)
    stage.spec["config"] = {"world": str(stage.root / "world")}
    stage.do("apply")
    outcome = stage.do("destroy").outcome
    assert outcome.status is Status.SUCCEEDED
    assert outcome.changes.delete == 3
    assert not list((stage.root / "world").iterdir())
    assert not stage.checkpoint.exists()
    assert not (stage.root / "keep").exists()
    again = stage.do("destroy").outcome
    assert again.status is Status.SUCCEEDED
    assert not again.changes.any


@pytest.mark.parametrize("warm", [True, False])
def test_cancel_leaves_no_process(stage: Stage, warm: bool) -> None:
    """Cancelled in the middle of a slow program: no process of the attempt is left."""
    stage.warm = warm
    stage.write({"__main__.py": SLOW})
    attempt = stage.start("apply")
    pid = _wait_for(lambda: _number(stage.root / "pid"))
    attempt.send_signal(signal.SIGTERM)
    done = stage.end(attempt)
    assert done.outcome.status is Status.CANCELLED
    _wait_for(lambda: not _alive(pid))
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
    pid = _wait_for(lambda: _number(stage.root / "pid"))
    attempt.kill()
    attempt.communicate()
    _wait_for(lambda: not _alive(pid))
    _wait_for(lambda: not marked(stage.mark))


def test_killed_cli_then_again(stage: Stage) -> None:
    """SIGKILL of the CLI in the middle of a create: lost; then the person is asked, not guessed."""
    stage.write(DYNAMIC)
    world = stage.root / "world"
    stage.spec["config"] = {"world": str(world), "slow": "60"}
    attempt = stage.start("apply")
    _wait_for(lambda: (world / "b.begun").exists())
    os.kill(_cli_of(stage.mark), signal.SIGKILL)
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
    assert "dead process" in "".join(outcome.notes)


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


def _cli_of(mark: str) -> int:
    for pid in marked(mark):
        if Path(f"/proc/{pid}/comm").read_text().strip() == "pulumi":
            return pid
    raise AssertionError("no CLI is running")


def _wait_for(condition: Callable[[], T], seconds: float = 60) -> T:
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
    _wait_for(lambda: list(world.glob("*.begun-*")))
    if moment == "slow":
        _wait_for(lambda: [p for p in world.iterdir() if ".begun" not in p.name])
    os.kill(_cli_of(stage.mark), signal.SIGKILL)
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


@needs_postgres
def test_a_backend_that_is_no_folder(stage: Stage, postgres: Postgres) -> None:
    """A stack in PostgreSQL is made, updated, read for its secret output, and removed."""
    url = postgres.new_database()
    stage.backend = url.replace("postgresql+psycopg://", "postgres://") + "&sslmode=disable"
    stage.outputs = {"size": "int", "token": "secret(string)"}
    assert stage.do("plan").plan.changes.create == 3
    wanted = {"size": 1, "token": Secret("hush-hush")}
    first = stage.do("apply").outcome
    assert (first.status, first.outputs) == (Status.SUCCEEDED, wanted), first.failures
    assert stage.do("apply").outcome.changes == Changes(same=3)
    assert stage.do("destroy").outcome.changes.delete == 3
    assert not stage.do("destroy").outcome.changes.any


def test_forked_is_as_fresh_as_executed(stage: Stage) -> None:
    """A forked program cannot tell itself from one under an interpreter of its own."""
    stage.write({"__main__.py": FACTS, "click.py": "mine = True\n", "helpers/__init__.py": ""})
    stage.outputs = {"facts": "object"}
    stage.warm = False
    executed = stage.do("apply").outcome.outputs["facts"]
    stage.warm = True
    done = stage.do("apply")
    assert done.outcome.outputs["facts"] == executed
    assert done.logs() == ["out", "err"]
    assert isinstance(executed, dict)
    assert executed["own"] == [True, "helpers"]
    assert not list(stage.program.rglob("__pycache__"))


FACTS = """\
import os, signal, sys, threading
import pulumi, click, helpers
print("out")
print("err", file=sys.stderr)
def pipe(fd):
    return os.readlink(f"/proc/self/fd/{fd}").split(":")[0]
pulumi.export("facts", {
    "argv": sys.argv, "path": sys.path, "cwd": os.getcwd(), "main": __name__,
    "own": [click.mine, helpers.__name__],
    "ours": [name for name in sys.modules if name.split(".")[0] == "orchestrator"],
    "streams": [pipe(0), pipe(1), pipe(2), sys.stdin.fileno(), sys.stdout.line_buffering],
    "env": sorted(os.environ),
    "leader": os.getsid(0) == os.getpid(),
    "signals": [str(signal.getsignal(n)).split(" at ")[0] for n in (2, 13, 15, 17)],
    "threads": threading.current_thread() is threading.main_thread(),
    "config": dict(os.environ)["PULUMI_CONFIG"],
})
"""


def test_missing_package_says_where_packages_come_from(stage: Stage) -> None:
    """A program whose packages we have not is told how to name its own interpreter."""
    stage.write({"__main__.py": "import pulumi_nowhere\n"})
    (failure,) = stage.do("apply").outcome.failures
    assert "No module named 'pulumi_nowhere'" in failure.what
    assert "virtualenv" in failure.what
    assert failure.file == "stacks/site/__main__.py:1"


def test_main_in_a_subfolder(stage: Stage) -> None:
    """`main:` of Pulumi.yaml is followed, and imports are relative to it."""
    stage.write(
        {
            "Pulumi.yaml": "name: site\nruntime: python\nmain: infra\n",
            "infra/__main__.py": "import pulumi, part\npulumi.export('n', part.n)\n",
            "infra/part.py": "n = 7\n",
        }
    )
    stage.outputs = {"n": "int"}
    assert stage.do("apply").outcome.outputs == {"n": 7}


def test_cancel_in_a_create_tells_what_is_unfinished(stage: Stage) -> None:
    """A create that does not end in its grace is killed, and the notes name the resource."""
    stage.write(DYNAMIC)
    world = stage.root / "world"
    stage.grace = timedelta(seconds=1)
    stage.spec["config"] = {"world": str(world), "slow": "60"}
    attempt = stage.start("apply")
    _wait_for(lambda: (world / "b.begun").exists())
    attempt.send_signal(signal.SIGTERM)
    outcome = stage.end(attempt).outcome
    assert outcome.status is Status.CANCELLED
    assert "Resource b" in "".join(outcome.notes)
    assert marked(stage.mark) == ()
