"""Are programs run as they should be, whoever runs them? With the real CLI."""

import subprocess
import sys
import sysconfig

import pytest

from orchestrator.model.runs import Status
from tests.needs import needs_pulumi
from tests.pulumi.stage import Stage

pytestmark = [needs_pulumi]


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


def test_thrown_error_names_its_line(stage: Stage) -> None:
    """A program that throws fails the stage with file, line and message."""
    stage.write({"parts.py": "import pulumi\n\nraise ValueError('no such size')\n"})
    outcome = stage.do("apply").outcome
    (failure,) = outcome.failures
    assert outcome.status is Status.FAILED
    assert failure.file == "stacks/site/parts.py:3"
    assert failure.what.endswith("ValueError: no such size")


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
