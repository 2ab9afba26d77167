"""How does a person's command reach a stack of the store? Served here, for as long as it runs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence

from orchestrator.files.plain_yaml import plain_yaml
from orchestrator.model.errors import ToolError
from orchestrator.ports import Report
from orchestrator.pulumi.prepare import Surroundings
from orchestrator.pulumi.shell import Shell, shell_for
from orchestrator.services.app import App
from orchestrator.services.orders import StageOrder
from orchestrator.wiring.attempt import with_secrets
from orchestrator.wiring.states import states_from
from orchestrator.wiring.store_access import handed_over


def run_in_shell(
    app: App, order: StageOrder, argv: Sequence[str], *, only_looks: str, report: Report
) -> int:
    """The command's exit code. Raises ToolError where it cannot be started."""
    access = handed_over(app.project.store, app.variables)
    work, _ = with_secrets(order.work, order.variables)
    around = Surroundings(
        read_yaml=plain_yaml,
        checkout=work.checkout,
        acquire_plugins=True,
        states=states_from({**order.variables, **access}, only_looks=only_looks),
    )
    with shell_for(work, around, report) as shell:
        return _waited_for(argv, shell)


def _waited_for(argv: Sequence[str], shell: Shell) -> int:
    """Ctrl-C is the command's to hear; it ends with us where we are told to end."""
    heard = signal.signal(signal.SIGINT, _left_to_the_command)
    told = signal.signal(signal.SIGTERM, _end)
    try:
        process = subprocess.Popen(argv, cwd=shell.directory, env=_environment(shell))
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    except OSError as error:
        raise ToolError(f"{argv[0]} cannot be started: {error.strerror}.") from error
    finally:
        signal.signal(signal.SIGINT, heard)
        signal.signal(signal.SIGTERM, told)


def _environment(shell: Shell) -> dict[str, str]:
    """A person's own variables, but for what would lead Pulumi elsewhere."""
    mine = {name: text for name, text in os.environ.items() if not name.startswith("PULUMI_")}
    path = f"{shell.pulumi.parent}:{mine.get('PATH', shell.env['PATH'])}"
    return {**mine, **shell.env, "PATH": path}


def _left_to_the_command(*_: object) -> None:
    """Not SIG_IGN, which the command would inherit."""


def _end(*_: object) -> None:
    raise SystemExit(143)
