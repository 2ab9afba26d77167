"""Is this machine ready for light hosts: base image and package mirror, provider plugin, root?

The light hosts stand apart from all our rooms, so they are asked as a program of their own.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.setup.rows import Options, Report, Row, State
from orchestrator.setup.running import run_step

MODULE = "orchestrator.lighthosts"
ASK_LIMIT_S = 30.0
AS_ROOT = f"sudo {sys.executable} -m orchestrator.setup --fix --light-hosts"
"""For a plain user: it brings all of it into root's home, where root's commands look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that the light hosts' program can look for (check) and bring (bring)."""

    name: str
    needed: str
    check: tuple[str, ...]
    bring: tuple[str, ...]


IMAGE = Part(
    name="light hosts: base image",
    needed="base image and package mirror of this version",
    check=("image", "--check"),
    bring=("image", "--ensure"),
)
PLUGIN = Part(
    name="light hosts: provider plugin",
    needed="in Pulumi's plugin folder",
    check=("install", "--check"),
    bring=("install",),
)
PARTS = (IMAGE, PLUGIN)


def uses_light_hosts(project: Path) -> bool:
    """True if a file that git tracks in this project names the light hosts; False without git."""
    names = [
        "-e",
        "lighthost:",
        "-e",
        "orchestrator.lighthosts",
        "-e",
        "orchestrator import lighth",
    ]
    try:
        found = subprocess.run(
            ["git", "grep", "-q", "-I", "-F", *names, "--", "*.py", "*.yaml", "*.yml"],
            cwd=project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return found.returncode == 0


def light_host_rows(options: Options) -> tuple[Row, ...]:
    """Rows for root, image and plugin."""
    asked = [
        _ask(part, options.env) for part in PARTS
    ]  # both at once: each takes a start of Python
    rows = [_row(part, program, options) for part, program in zip(PARTS, asked, strict=True)]
    return (_root_row(options), *rows)


def bring(part: Part, env: Mapping[str, str], report: Report) -> None:
    """Makes one part; the base image takes a minute or more. Raises StepFailed."""
    run_step(part.name, _command(*part.bring), report, env=env, cwd=_neutral())


def _root_row(options: Options) -> Row:
    return Row(
        name="light hosts: root",
        needed="root, for every command (namespaces, mounts)",
        found="root" if options.is_root else "a plain user",
        state=State.OK if options.is_root else State.MISSING,
        fix="" if options.is_root else AS_ROOT,
    )


def _ask(part: Part, env: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        _command(*part.check),
        env=dict(env),
        cwd=_neutral(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def _row(part: Part, program: subprocess.Popen[str], options: Options) -> Row:
    said = _answer(program)
    there = program.returncode == 0
    return Row(
        name=part.name,
        needed=part.needed,
        found=(said or "there") if there else "not there",
        state=State.OK if there else State.MISSING,
        fix="" if there else _fix(part, is_root=options.is_root),
        can_fix=not there and options.is_root,
    )


def _fix(part: Part, *, is_root: bool) -> str:
    return f"{sys.executable} -m {MODULE} {' '.join(part.bring)}" if is_root else AS_ROOT


def _answer(program: subprocess.Popen[str]) -> str:
    try:
        said, _ = program.communicate(timeout=ASK_LIMIT_S)
    except subprocess.TimeoutExpired:
        program.kill()
        said, _ = program.communicate()
    lines = said.strip().splitlines()
    return lines[-1] if lines else ""


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", MODULE, *words]


def _neutral() -> Path:
    """`python -m` looks for modules in the current folder first: one that holds none."""
    return Path("/")
