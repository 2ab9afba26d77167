"""How is ansible-playbook started through ansible-runner, listened to, and really stopped?

What ansible-runner 2.4.3 does by itself and we do not let it do (reference ansible, 2.2): kill
only the process group, so that workers and ssh live on; look for a cancel every 5 s; hand over its
whole environment and store it; sleep 100 ms at the end; close the tool's lock.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped]  # ships no type information
import ptyprocess  # type: ignore[import-untyped]  # ships no type information
from ansible_runner.config.runner import RunnerConfig
from ansible_runner.runner import Runner

from orchestrator.ansible.folders import Folders
from orchestrator.ansible.remote import end_remote_commands
from orchestrator.model.errors import ExecutorError
from orchestrator.model.work import Work
from orchestrator.procs import LEFTOVER_GRACE, MARK, end_marked, given_umask

Event = Mapping[str, Any]
STOPPED = 254  # ansible-runner's code for a run that was stopped
TICK = 0.2  # seconds between looks at the cancel token and the vault's socket
_LARGEST_RESULT = 50_000_000  # characters; a larger `res` of a task comes empty
_COLUMNS = 400  # of the terminal: Ansible breaks its warnings to fit
_PASSPHRASE = re.compile(r"Enter passphrase for [^\n]*: ?$", re.M)
_RUNNERS_OWN = (  # of the environment that ansible-runner makes; all the rest is left behind
    "ANSIBLE_CALLBACK_PLUGINS",
    "ANSIBLE_STDOUT_CALLBACK",
    "AWX_ISOLATED_DATA_DIR",
    "RUNNER_OMIT_EVENTS",
    "RUNNER_ONLY_FAILED_EVENTS",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program, its arguments, and all of the environment it sees."""

    argv: Sequence[str]
    env: Mapping[str, str]
    directory: Path

    @property
    def mark(self) -> str:
        return self.env[MARK]


def play(
    work: Work,
    command: Command,
    folders: Folders,
    *,
    hear: Callable[[Event], None],
    tick: Callable[[], None],
) -> int:
    """The exit code of ansible-playbook; STOPPED where it was stopped. No process of it is left.

    hear: gets each event of the callback, in this thread; must not wait long. Whatever it raises
    stops Ansible, and is raised from here afterwards. tick: called about five times a second.
    Raises ExecutorError where somebody else kills it or ansible-runner fails in the middle.
    """
    stopping = _Stopping(work, command, folders)
    raised: list[BaseException] = []

    def handle_event(event: Event) -> bool:
        if not raised:
            try:
                hear(event)
            except BaseException as error:  # noqa: BLE001  # through the pty's reader it would kill Ansible at once
                raised.append(error)
        return False  # so that the event is not written to disk

    def cancelled() -> bool:
        tick()
        return bool(raised) or work.cancel.asked

    try:
        config = _config(work, command, folders)
        runner = Runner(
            config,
            cancel_callback=cancelled,  # always one: else a signal would be swallowed
            event_handler=handle_event,
            status_handler=_forget_command,
        )
        with _our_ways(work, stopping):
            runner.run()
    except SystemExit as error:  # ansible-runner leaves by it where a program is missing
        raise ExecutorError(f"ansible-runner gave up: {error}") from error
    except (pexpect.ExceptionPexpect, OSError, UnicodeError) as error:
        raise ExecutorError(
            f"ansible-playbook could not be followed to its end: {error}"
        ) from error
    finally:
        stopped = bool(raised) or work.cancel.asked
        if stopped:
            end_remote_commands(folders.sockets)
        end_marked(command.mark, grace=timedelta(0) if stopped else LEFTOVER_GRACE)
    if raised:
        raise raised[0]
    if runner.timed_out:
        work.cancel.ask("timeout")
    if runner.rc is None and not work.cancel.asked:
        raise ExecutorError("ansible-playbook was killed by somebody before its end.")
    return STOPPED if runner.rc is None else int(runner.rc)


class _Stopping:
    """SIGTERM to the main process, which hands it to its workers; after the grace SIGKILL."""

    def __init__(self, work: Work, command: Command, folders: Folders) -> None:
        self._work = work
        self._mark = command.mark
        self._sockets = folders.sockets
        self._since: float | None = None

    def __call__(self, pid: int, pidfile: str | None = None) -> None:  # noqa: ARG002  # runner's signature
        """Called again and again until the process is gone."""
        now = time.monotonic()
        first = self._since is None
        since = self._since = now if self._since is None else self._since
        with suppress(ProcessLookupError):
            if self._work.cancel.harder or now - since >= self._work.grace.total_seconds():
                end_remote_commands(self._sockets)  # before its masters are gone
                end_marked(self._mark, grace=timedelta(0))  # workers have left the group
            elif first:
                os.kill(pid, signal.SIGTERM)


def _config(work: Work, command: Command, folders: Folders) -> RunnerConfig:
    config = RunnerConfig(
        private_data_dir=str(folders.runner),
        project_dir=str(command.directory),
        playbook="-",  # the whole command is ours, below
        ident=f"{work.stage}-{work.attempt}",
        quiet=True,
        timeout=_last_resort(work),
        settings={"pexpect_timeout": TICK, "suppress_output_file": True},
    )
    (folders.runner / "env").mkdir(mode=0o700)
    (folders.runner / "env/settings").write_text(  # given as an argument alone they are dropped
        f"pexpect_timeout: {TICK}\nsuppress_output_file: true\n"
    )
    config.prepare()
    own = {name: config.env[name] for name in _RUNNERS_OWN if name in config.env}
    own["ANSIBLE_CALLBACK_PLUGINS"] = own["ANSIBLE_CALLBACK_PLUGINS"].rpartition(":")[2]
    own["MAX_EVENT_RES"] = str(_LARGEST_RESULT)
    config.expect_passwords[_PASSPHRASE] = ""  # no answer; ssh goes on to the next key
    config.env = {**own, **command.env}
    config.command = list(command.argv)
    config.cwd = str(command.directory)
    return config


def _last_resort(work: Work) -> int:
    """The attempt process does the timing; this ends Ansible where that fails."""
    return max(1, int((work.timeout + work.grace).total_seconds()) + 1)


def _forget_command(status: Mapping[str, Any], runner_config: RunnerConfig) -> None:
    """ansible-runner stores the environment in a file before it starts; it is not kept."""
    if status["status"] == "running":
        Path(runner_config.artifact_dir, "command").unlink(missing_ok=True)


@contextmanager
def _our_ways(work: Work, stopping: _Stopping) -> Iterator[None]:
    """Runner calls its termination by class name, and pexpect knows no pass_fds: both patched."""

    def spawn(_: Any, args: Sequence[str], **options: Any) -> Any:
        options["dimensions"] = (24, _COLUMNS)
        options["preexec_fn"] = _as_given
        if work.tool_lock < 0:
            process = ptyprocess.PtyProcess.spawn(args, **options)
        else:
            os.set_inheritable(work.tool_lock, True)
            try:
                process = ptyprocess.PtyProcess.spawn(args, pass_fds=(work.tool_lock,), **options)
            finally:
                os.set_inheritable(work.tool_lock, False)
        process.delayafterclose = 0.005  # it sleeps so long in close; 100 ms by default
        return process

    with (
        _replaced(Runner, "handle_termination", stopping),
        _replaced(pexpect.spawn, "_spawnpty", spawn),
    ):
        yield


def _as_given() -> None:
    if given_umask() >= 0:
        os.umask(given_umask())


@contextmanager
def _replaced(owner: type, name: str, new: Any) -> Iterator[None]:
    old = owner.__dict__[name]
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, old)
