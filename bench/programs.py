"""Who serves Python programs to a `pulumi` that is typed by hand?

    .venv/bin/python bench/programs.py

Prints the address for `--client`, and serves until its input ends. Each Run gets a new interpreter,
as Pulumi's own Python language host does it; that host is not needed, nor its start paid for.
`--warm`: forked, as we do it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from orchestrator.pulumi.cli import EXEC_SCRIPT
from orchestrator.pulumi.program_server import ProgramSource, serving
from orchestrator.pulumi.running import ProgramOrder, Running, start_process
from orchestrator.pulumi.warm import open_interpreter, opened_interpreter
from orchestrator.setup.pulumi_cli import find_pulumi


def main(warm: bool) -> None:
    if warm:
        open_interpreter()
    source = ProgramSource(
        start=_starter(),
        script=find_pulumi(os.environ).resolve().parent / EXEC_SCRIPT,
        interpreter=Path(sys.executable),
        env=dict(os.environ),
        on_line=lambda _, text: print(text, file=sys.stderr),
    )
    with serving(source) as address:
        print(address, flush=True)
        sys.stdin.read()


def _starter() -> Callable[[ProgramOrder], Running]:
    forker = opened_interpreter()
    if forker is not None:
        return forker.run
    return lambda order: start_process(Path(sys.executable), order)


if __name__ == "__main__":
    main("--warm" in sys.argv[1:])
