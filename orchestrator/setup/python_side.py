"""Is the Python side whole: interpreter, packages, byte code?"""

import compileall
import importlib.metadata
import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from orchestrator.model.errors import ToolError
from orchestrator.setup.rows import Report, Row, State

DISTRIBUTION = "orchestrator"
OWN_ROWS = ("ansible-core", "ansible-runner", "pulumi")
OLDEST = (3, 11)
SYNC = "make setup"
BYTE_CODE = "byte code of orchestrator"
PACKAGE = Path(__file__).parent.parent


def python_rows() -> tuple[Row, ...]:
    """Rows for the interpreter, Ansible, Pulumi's SDK, all other packages, and what slows us."""
    wanted = {wish.name: wish for wish in _requirements()}
    named = [_package_row(wanted[name]) for name in OWN_ROWS if name in wanted]
    others = [wish for name, wish in wanted.items() if name not in OWN_ROWS]
    return (_interpreter_row(), *named, _others_row(others), _paramiko_row(), byte_code_row())


def byte_code_row() -> Row:
    """Warns where modules of ours have no byte code newer than their text: each start is slower."""
    stale = _stale_modules()
    return Row(
        name=BYTE_CODE,
        needed="for every module",
        found=f"lacking for {len(stale)}" if stale else "all there",
        state=State.WARN if stale else State.OK,
        fix=f"{sys.executable} -m compileall -q -f {PACKAGE}" if stale else "",
        can_fix=bool(stale),
    )


def compile_package(report: Report) -> None:
    """Writes the byte code of our own package. Raises ToolError if a file does not compile."""
    begun = time.monotonic()
    # force: compileall itself sees only the second of a change, the import sees the size as well
    done = [compileall.compile_file(path, force=True, quiet=2) for path in _stale_modules()]
    if not all(done):
        raise ToolError(
            f"some modules under {PACKAGE} have no byte code: they do not compile, "
            "or the folder is not ours to write."
        )
    report(f"{BYTE_CODE}: done in {time.monotonic() - begun:.1f} s")


def _stale_modules() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if not _is_compiled(path)]


def _requirements() -> Iterator[Requirement]:
    for line in importlib.metadata.requires(DISTRIBUTION) or ():
        wish = Requirement(line)
        if wish.marker is None or wish.marker.evaluate({"extra": ""}):
            yield wish


def _interpreter_row() -> Row:
    fits = sys.version_info[:2] >= OLDEST
    return Row(
        name="Python",
        needed=">=3.11",
        found=".".join(map(str, sys.version_info[:3])),
        state=State.OK if fits else State.OLD,
        fix="" if fits else "install Python 3.11 or newer, then make setup PYTHON=python3.11",
    )


def _package_row(wish: Requirement) -> Row:
    found = _installed(wish.name)
    fits = found is not None and wish.specifier.contains(found, prereleases=True)
    return Row(
        name=f"{wish.name} (Python)",
        needed=",".join(sorted(map(str, wish.specifier), reverse=True)),
        found=found or "not there",
        state=State.OK if fits else State.OLD if found else State.MISSING,
        fix="" if fits else SYNC,
    )


def _others_row(wishes: list[Requirement]) -> Row:
    bad = [row.name for row in map(_package_row, wishes) if row.state is not State.OK]
    return Row(
        name="other Python packages",
        needed=f"{len(wishes)} packages",
        found=f"missing or old: {', '.join(bad)}" if bad else "all there",
        state=State.MISSING if bad else State.OK,
        fix=SYNC if bad else "",
    )


def _paramiko_row() -> Row:
    there = importlib.util.find_spec("paramiko") is not None
    return Row(
        name="no paramiko",
        needed="not installed",
        found="installed" if there else "not installed",
        # With it, ansible-core loads a second SSH stack in every process. Source: ansible.md
        state=State.WARN if there else State.OK,
        fix=f"{sys.executable} -m pip uninstall -y paramiko" if there else "",
    )


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _is_compiled(path: Path) -> bool:
    """By the time of change and the size that stand in the byte code's head, as Python does it."""
    try:
        with open(importlib.util.cache_from_source(str(path)), "rb") as code:
            head = code.read(16)
    except OSError:
        return False
    status = path.stat()
    seen = (int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little"))
    return seen == (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
