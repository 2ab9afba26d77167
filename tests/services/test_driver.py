"""What must hold of the driving loop?"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.model.errors import ExecutorError, Locked, Refused
from orchestrator.model.events import Recorded
from orchestrator.model.runs import Outcome, RequestKind, RunKey, RunStatus, Status
from orchestrator.model.values import Value
from orchestrator.services import driver, following, retrying, sources
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.retrying import retry
from orchestrator.services.runs import adopt, request
from tests.services.stage_app import FAILED, small


def test_all_that_was_told_is_taken_in_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage that told more than fits into one look loses none of it."""
    monkeypatch.setattr(driver, "MOST_READ", 1)

    def tell(folder: AttemptFolder) -> None:
        _spool(folder, 30, "x" * 500_000)

    with small(tmp_path, "a: { command: { run: [x] } }") as project:
        project.attempts.before = tell
        assert project.up().status is RunStatus.SUCCEEDED
        told = [row.sequence for row in project.told if isinstance(row, Recorded)]
        assert told == list(range(1, 31))


def test_odd_values_of_a_tool_reach_the_next_stage(tmp_path: Path) -> None:
    """Integers beyond 2^53 and broken text are handed on as they are."""
    stages = (
        "a: { command: { run: [x] }, outputs: { n: int, t: string } }",
        'b: { command: { run: ["${{ stages.a.outputs.n }}", "${{ stages.a.outputs.t }}"] } }',
    )
    with small(tmp_path, *stages) as project:
        odd: dict[str, Value] = {"n": 2**60 + 1, "t": "\udc80 \0"}
        project.attempts.answers["a"] = Outcome(status=Status.SUCCEEDED, outputs=odd)
        assert project.up().status is RunStatus.SUCCEEDED
        assert project.attempts.orders["b"]["spec"]["run"] == list(odd.values())


def test_an_attempt_that_lives_is_watched_though_its_parent_died(tmp_path: Path) -> None:
    """Who cannot say that it has started an attempt may have done so: it is not called failed."""
    with small(tmp_path, "a: { command: { run: [x] } }") as project:

        def start(folder: AttemptFolder, variables: Mapping[str, str]) -> None:
            project.attempts.start(folder, variables)
            raise ExecutorError("the attempt could not be started: it ended.", started=False)

        app = replace(project.app, start_attempt=start)
        assert replace(project, app=app).up().status is RunStatus.SUCCEEDED


def test_a_cancel_is_heard_whatever_the_clocks_say(tmp_path: Path) -> None:
    """A request from a machine whose clock is behind counts; a retry begins with none."""
    stages = ("a: { command: { run: [x] } }", "b: { needs: [a], command: { run: [x] } }")
    key = RunKey("tiny", "dev", 1)
    with small(tmp_path, *stages) as project:

        def ask(_: AttemptFolder) -> None:
            project.clock.at -= timedelta(hours=1)
            request(project.app, key, RequestKind.CANCEL)
            project.clock.at += timedelta(hours=1)

        project.attempts.before = ask
        assert project.up().status is RunStatus.CANCELLED
        assert project.attempts.started == ["a"]
        project.attempts.before = lambda _: None
        again = retry(project.app, key, listener=print, interrupts=Interrupts())
        assert again.status is RunStatus.SUCCEEDED
        assert project.attempts.started == ["a", "b"]


def test_a_follower_is_told_all_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit into one page is told as well, though the run has ended."""
    monkeypatch.setattr(following, "PAGE", 10)

    def tell(folder: AttemptFolder) -> None:
        _spool(folder, 35, "x")

    with small(tmp_path, "a: { command: { run: [x] } }") as project:
        project.attempts.before = tell
        key = project.up().key
        told: list[object] = []
        following.follow(project.app, key, listener=told.append, interrupts=Interrupts())
        rows = [row.sequence for row in told if isinstance(row, Recorded)]
        assert rows == list(range(1, 36))


def test_a_retry_decides_on_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry that another one overtook while it read files starts nothing."""
    with small(tmp_path, "a: { command: { run: [x] } }") as project:
        project.attempts.answers["a"] = FAILED
        key = project.up().key
        project.attempts.answers.clear()

        def overtaken(*_: object) -> None:
            monkeypatch.undo()
            retry(project.app, key, listener=print, interrupts=Interrupts())

        monkeypatch.setattr(retrying, "same_environment", overtaken)
        with pytest.raises(Locked, match="meanwhile"):
            retry(project.app, key, listener=print, interrupts=Interrupts())
        assert project.attempts.started == ["a", "a"]


def test_half_laid_files_are_laid_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever dies while laying an environment's files leaves no word that they are whole."""
    with small(tmp_path, "a: { command: { run: [x] } }") as project:
        project.up()
        hosts = project.app.root / "inventories/dev/hosts.yaml"
        hosts.write_text("all: {}\n")

        def killed(*_: object) -> None:
            (project.app.tree("tiny", "dev") / "inventories/dev/hosts.yaml").touch()
            raise KeyboardInterrupt

        monkeypatch.setattr(sources, "materialise_environment", killed)
        with pytest.raises(KeyboardInterrupt):
            project.up()
        monkeypatch.undo()
        hosts.unlink()
        with pytest.raises(Refused, match="changed since"):
            adopt(project.app, RunKey("tiny", "dev", 2), listener=print, interrupts=Interrupts())
        project.up()
        assert not (project.app.tree("tiny", "dev") / "inventories/dev/hosts.yaml").exists()


def _spool(folder: AttemptFolder, count: int, text: str) -> None:
    row = {"at": "2026-11-25T12:00:00+00:00", "type": "log", "host": "", "failed": False}
    body = {"text": text, "stream": "stdout", "severity": "info"}
    lines = (json.dumps({"sequence": n, **row, "body": body}) for n in range(1, count + 1))
    folder.spool.write_text("".join(f"{line}\n" for line in lines))


def test_what_a_running_stage_made_is_left_alone(tmp_path: Path) -> None:
    """Taking a run over lays no files anew under a stage that runs on them."""
    with small(tmp_path, "a: { command: { run: [x] } }") as project:
        made = project.app.tree("tiny", "dev") / "tree/node_modules/x"

        def die(_: AttemptFolder) -> None:
            made.mkdir(parents=True)
            raise KeyboardInterrupt

        project.attempts.before = die
        with pytest.raises(KeyboardInterrupt):
            project.up()
        project.attempts.before = lambda _: None
        adopt(project.app, RunKey("tiny", "dev", 1), listener=print, interrupts=Interrupts())
        assert made.exists()


def test_a_stage_that_had_not_begun_does_not_begin_after_a_cancel(tmp_path: Path) -> None:
    """Whoever takes a run over hears first what people asked meanwhile (found by simulation)."""

    def die(_: AttemptFolder) -> None:
        raise KeyboardInterrupt

    with small(tmp_path, "a: { command: { run: [x] } }") as project:
        project.attempts.before = die
        with pytest.raises(KeyboardInterrupt):
            project.up()
        key = RunKey("tiny", "dev", 1)
        request(project.app, key, RequestKind.CANCEL)
        ended = adopt(project.app, key, listener=print, interrupts=Interrupts())
        assert ended.status is RunStatus.CANCELLED
        with project.app.store.read() as tx:
            (stage,) = tx.stage_runs(key)
        assert stage.status is Status.CANCELLED
        assert project.attempts.started == ["a"]
