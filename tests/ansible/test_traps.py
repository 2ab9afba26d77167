"""Do the traps of ansible-runner still not catch us?

Numbers are those of the reference (ansible, 2.2).
 1 cancel leaves workers and remote commands   test_local, test_ssh: a_cancel_leaves_no_…
 2 5 s until a cancel is seen                  here: a_stop_is_seen_at_once
 3 signal handlers replaced                    here: signals_stay_ours
 4 whole environment handed over and stored    here: credentials_are_not_stored; test_local
 5 reused folder feeds old secrets             test_local: nothing_of_an_attempt_is_kept
 6 settings dropped without env files          here: the_last_resort_ends_it (settings hold)
 7, 8 reused ident, rotation                   neither: a folder per attempt, nothing rotated
 9 a handler that raises                       here: a_report_that_raises
10 busy `r.events`, 11 subprocess mode         neither is used
12 events emptied by options, large results    options not used; test_verdict: too_large_a_result
13 fact cache not reused                       test_ssh: hosts_are_reached_recognised_…
14 prompts hang                                test_local: a_question; here: the_last_resort
15 `ssh_key=` starts a thread that stays       not used: a file, gone afterwards
16 host keys not checked                       test_ssh
17 sleep at the end, fork with threads         no thread of ours while it runs
18 SystemExit out of the API                   here: an_exit_is_no_exit_of_ours
19 orchestrator killed                         the attempts room: its tool lock, passed on (here)
20 ssh masters and folders left                here; test_ssh: a_stage_of_one_host_…
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from ansible_runner.runner import Runner

from orchestrator.ansible.executor import AnsibleExecutor
from orchestrator.ansible.launch import TICK
from orchestrator.model.definitions import Cause
from orchestrator.model.errors import ExecutorError
from orchestrator.model.events import StageEvent, TaskStarted
from orchestrator.model.runs import Status
from orchestrator.procs import marked
from tests.ansible.projects import Site

pytestmark = pytest.mark.slow


def test_a_stop_is_seen_at_once(site: Site) -> None:
    """Between a cancel and the end lies no tick of five seconds."""
    assert TICK <= 0.5
    site.tasks("- command: sleep 300")
    work = site.work(grace=timedelta(minutes=5))  # SIGTERM alone must do

    def ask(event: StageEvent) -> None:
        if isinstance(event, TaskStarted):
            work.cancel.ask()

    assert AnsibleExecutor().apply(work, ask).status is Status.CANCELLED


def test_a_harder_stop_kills_at_once(site: Site) -> None:
    """Without a grace the whole tree is killed, workers in sessions of their own as well."""
    site.tasks("- shell: \"trap '' TERM; sleep 300; sleep 300\"")
    work = site.work(grace=timedelta(minutes=5))

    def ask(event: StageEvent) -> None:
        if isinstance(event, TaskStarted):
            work.cancel.ask(harder=True)

    assert AnsibleExecutor().apply(work, ask).status is Status.CANCELLED
    assert marked(work.mark) == ()


def test_killed_by_another_is_not_known(site: Site) -> None:
    """Where somebody kills ansible-playbook, nobody knows what it did: no outcome, but an error."""
    parent = "{{ lookup('pipe', \"awk '/^PPid/ {print $2}' /proc/$PPID/status\") }}"
    site.tasks(f"- shell: kill -9 {parent}")
    work = site.work()
    with pytest.raises(ExecutorError, match="killed by somebody"):
        site.apply(work)
    assert marked(work.mark) == ()


def test_signals_stay_ours(site: Site) -> None:
    """SIGINT and SIGTERM are handled after a run as before."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    site.tasks("- debug:")
    site.apply()
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_credentials_are_not_stored(site: Site) -> None:
    """While a playbook runs, its environment lies in no file of the attempt."""
    found = site.root / "found"
    site.tasks(f"- shell: 'grep -rls \"$TOKEN\" {site.root}/attempts > {found} || true'")
    outcome = site.apply(credentials={"TOKEN": "cr3dential-of-the-cloud"})
    assert not outcome.failures
    assert found.read_text() == ""


def test_the_last_resort_ends_it(site: Site) -> None:
    """Where nobody cancels in time, ansible-runner's own timeout does, and nothing is left."""
    site.tasks("- pause: {prompt: waits for a key}")
    work = site.work(timeout=timedelta(seconds=2), grace=timedelta(seconds=1))
    outcome = site.apply(work)
    assert outcome.status is Status.FAILED
    assert outcome.cause is Cause.TIMEOUT
    assert marked(work.mark) == ()


def test_a_report_that_raises(site: Site) -> None:
    """What a report raises comes out of apply, with Ansible stopped and nothing left."""
    site.tasks("- command: sleep 300")
    work = site.work()

    def broken(event: StageEvent) -> None:
        if isinstance(event, TaskStarted):
            raise ConnectionError("the spool is gone")

    with pytest.raises(ConnectionError, match="spool"):
        AnsibleExecutor().apply(work, broken)
    assert marked(work.mark) == ()
    assert list(work.folder.iterdir()) == []


def test_an_exit_is_no_exit_of_ours(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """ansible-runner leaving by SystemExit is an error of the executor: we do not know."""

    def leave(_: Any) -> None:
        raise SystemExit(1)

    monkeypatch.setattr(Runner, "run", leave)
    site.tasks("- debug:")
    with pytest.raises(ExecutorError, match="gave up"):
        site.apply()


def test_the_tools_lock_is_passed_on(site: Site) -> None:
    """ansible-playbook inherits the lock that says the tool is alive; it ends with it."""
    path = site.root / "tool.lock"
    holders = site.root / "holders"
    lock = os.open(path, os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    site.tasks(f"- shell: 'ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c {path} > {holders} || true'")
    assert not site.apply(tool_lock=lock).failures
    assert int(holders.read_text()) > 1
    os.close(lock)
    other = os.open(path, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)


def test_no_thread_is_left(site: Site) -> None:
    """The process is as single-threaded afterwards as before."""
    before = threading.active_count()
    site.hosts("all: {hosts: {'h[1:2]': {ansible_connection: local}}}\n")
    site.write("play.yml", "- hosts: all\n  serial: 1\n  tasks: [{command: 'false'}]\n")
    site.apply(spec={"vault": {"main": "x"}})
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        pass
    assert threading.active_count() == before
