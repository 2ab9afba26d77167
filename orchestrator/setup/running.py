"""How is a long step of the set-up run, so that one sees that it lives?"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from orchestrator.model.errors import ToolError
from orchestrator.setup.rows import Report

HEARTBEAT_S = 10.0
TAIL_LINES = 15


class StepFailed(ToolError):
    """A program of the set-up ended badly; carries the last lines of what it said."""

    def __init__(self, step: str, command: Sequence[str], code: int | None, tail: str) -> None:
        how = "could not be started" if code is None else f"ended with {code}"
        super().__init__(f"{step} failed: '{' '.join(command)}' {how}.\n{tail}".rstrip())
        self.step = step
        self.code = code
        self.tail = tail


def run_step(
    step: str,
    command: Sequence[str],
    report: Report,
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
) -> str:
    """Runs a program to its end and returns what it said on standard output and error together.

    Says the step, a line every HEARTBEAT_S seconds with the time so far, and the time it took.
    Raises StepFailed. An interrupt ends the program's whole process group.
    """
    report(f"{step} …")
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        code = _run(command, report, said, step=step, begun=begun, env=env, cwd=cwd)
        text = _text(said)
    if code != 0:
        raise StepFailed(step, command, code, _tail(text))
    report(f"{step}: done in {time.monotonic() - begun:.1f} s")
    return text


def _run(
    words: Sequence[str],
    report: Report,
    said: IO[bytes],
    *,
    step: str,
    begun: float,
    env: Mapping[str, str],
    cwd: Path | None,
) -> int | None:
    try:
        program = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as why:
        said.write(str(why).encode())
        return None
    seen = ""
    try:
        while True:
            try:
                return program.wait(timeout=HEARTBEAT_S)
            except subprocess.TimeoutExpired:
                last = _last_line(said)
                news = f" ({last})" if last != seen else ""  # an old word would look like today's
                report(f"{step}: {time.monotonic() - begun:.0f} s so far{news}")
                seen = last
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGTERM)
            program.wait()


def _text(said: IO[bytes]) -> str:
    # pread leaves the offset alone, which the running program shares with us.
    size = os.fstat(said.fileno()).st_size
    return os.pread(said.fileno(), size, 0).decode(errors="replace")


def _last_line(said: IO[bytes]) -> str:
    lines = _tail(_text(said)).splitlines()
    return lines[-1][:100] if lines else ""


def _tail(text: str) -> str:
    lines = [line.rstrip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return "\n".join(lines[-TAIL_LINES:])
