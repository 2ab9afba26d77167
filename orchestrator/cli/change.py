"""The verbs that change the world: up, destroy, retry, cancel, and wait, which takes runs over."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import click

from orchestrator.cli.durations import DURATION
from orchestrator.cli.outcome import exit_code, finished
from orchestrator.cli.planning import plan_text
from orchestrator.cli.screens import Screen, screen_for
from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.cli.words import clean
from orchestrator.files.definitions import find_root
from orchestrator.model.errors import Locked, UsageError
from orchestrator.model.runs import Action, RequestKind, Run, RunKey, RunStatus
from orchestrator.services import runs
from orchestrator.services.app import Admission, App
from orchestrator.services.following import follow
from orchestrator.services.holding import is_driven
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.queueing import queued
from orchestrator.services.retrying import retry as run_again
from orchestrator.services.stacks import told_strays
from orchestrator.wiring.app import opened_app

Driven = Callable[[App, Screen, Interrupts], Run]

pipeline_option = click.option("--pipeline", default="", help="Where a project has several.")
select_option = click.option(
    "--select", multiple=True, help="Only these stages: app, 'app...', '...app'."
)
wait_option = click.option(
    "--wait", "patience", type=DURATION, help="Queue for so long where somebody else is at work."
)
lost_option = click.option(
    "--lost",
    multiple=True,
    metavar="STAGE=again|done",
    help="What you found out about a stage of which nobody knows what it did.",
)
held_option = click.option("--held", is_flag=True, help="Go on under your own hold.")


@click.command()
@click.argument("environment")
@pipeline_option
@select_option
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@lost_option
@wait_option
@held_option
@pass_settings
def up(
    settings: Settings,
    environment: str,
    pipeline: str,
    select: tuple[str, ...],
    yes: bool,
    lost: tuple[str, ...],
    patience: timedelta | None,
    held: bool,
) -> None:
    """Bring ENVIRONMENT up: provision, configure, check, in the order the stages need.

    What stands already is looked at and left as it is.
    """

    _may_ask(settings, yes)
    words = _words(lost)

    def drive(app: App, screen: Screen, interrupts: Interrupts) -> Run:
        name = pipeline_of(app, pipeline)
        left = _take_over(app, name, environment, screen, interrupts)
        if left is not None and left.status is RunStatus.LOST:
            return left  # nobody knew that yet: what is unknown is not repeated unasked
        for stray in told_strays(app, (name, environment)):
            click.echo(f"note: {stray}", err=True)
        return runs.start(
            app,
            pipeline=name,
            environment=environment,
            action=Action.APPLY,
            words=words,
            select_=select,
            listener=screen,
            interrupts=interrupts,
        )

    def ask(app: App, interrupts: Interrupts) -> None:
        """The plan first, then the question; `--yes` skips both."""
        plans = runs.plan(
            app,
            pipeline=pipeline_of(app, pipeline),
            environment=environment,
            select_=select,
            say=lambda stage: click.echo(f"planning {stage} …", err=True),
            interrupts=interrupts,
        )
        click.echo(plan_text(plans))
        click.confirm(f"Bring {environment} up?", abort=True, err=True)

    def where(app: App) -> tuple[str, str]:
        return pipeline_of(app, pipeline), environment

    turn = Turn(where, f"up {environment}", patience, held)
    _carried_out(settings, drive, before=None if yes else ask, turn=turn)


@click.command()
@click.argument("environment")
@pipeline_option
@click.option("--confirm", metavar="NAME", default="", help="The environment's name, again.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@wait_option
@held_option
@pass_settings
def destroy(
    settings: Settings,
    environment: str,
    pipeline: str,
    confirm: str,
    yes: bool,
    patience: timedelta | None,
    held: bool,
) -> None:
    """Take ENVIRONMENT away, stage by stage in reverse order."""
    if confirm and confirm != environment:
        raise UsageError(f"--confirm {confirm} does not name {environment}. Nothing was started.")

    def drive(app: App, screen: Screen, interrupts: Interrupts) -> Run:
        name = pipeline_of(app, pipeline)
        _take_over(app, name, environment, screen, interrupts)
        return runs.start(
            app,
            pipeline=name,
            environment=environment,
            action=Action.DESTROY,
            listener=screen,
            interrupts=interrupts,
        )

    def ask(_: App, __: Interrupts) -> None:
        click.confirm(f"Destroy everything in {environment}?", abort=True, err=True)

    def where(app: App) -> tuple[str, str]:
        return pipeline_of(app, pipeline), environment

    _may_ask(settings, yes or bool(confirm))
    turn = Turn(where, f"destroy {environment}", patience, held)
    _carried_out(settings, drive, before=None if yes or confirm else ask, turn=turn)


@click.command()
@click.argument("run")
@click.option("--from", "from_stage", default="", help="This stage and all after it, again.")
@click.option("--failed-hosts", is_flag=True, help="Ansible: only hosts that failed.")
@lost_option
@wait_option
@held_option
@pass_settings
def retry(
    settings: Settings,
    run: str,
    from_stage: str,
    failed_hosts: bool,
    lost: tuple[str, ...],
    patience: timedelta | None,
    held: bool,
) -> None:
    """Go on with RUN from where it failed, with the outputs recorded so far."""
    words = _words(lost)

    def drive(app: App, screen: Screen, interrupts: Interrupts) -> Run:
        key = app.key(run)
        left = _adopted(app, key, screen, interrupts)
        if left is not None and left.status is RunStatus.SUCCEEDED and not from_stage:
            return left
        return run_again(
            app,
            key,
            from_stage=from_stage,
            failed_hosts=failed_hosts,
            words=words,
            say=lambda text: click.echo(clean(text), err=True),
            listener=screen,
            interrupts=interrupts,
        )

    def where(app: App) -> tuple[str, str]:
        key = app.key(run)
        return key.pipeline, key.environment

    _carried_out(settings, drive, turn=Turn(where, f"retry {run}", patience, held))


@click.command()
@click.argument("run")
@pass_settings
def wait(settings: Settings, run: str) -> None:
    """Follow RUN to its end; take it over where its controller died."""

    def drive(app: App, screen: Screen, interrupts: Interrupts) -> Run:
        return _followed(app, run, screen, interrupts)

    _carried_out(settings, drive, of_runs=True)


@click.command()
@click.argument("run")
@click.option("--kill", is_flag=True, help="End process trees now, without a grace period.")
@pass_settings
def cancel(settings: Settings, run: str, kill: bool) -> None:
    """Ask RUN to stop: nothing more is started, running stages are ended politely."""

    def drive(app: App, screen: Screen, interrupts: Interrupts) -> Run:
        kind = RequestKind.KILL if kill else RequestKind.CANCEL
        runs.request(app, app.key(run), kind)
        return _followed(app, run, screen, interrupts)

    _carried_out(settings, drive, cancelled_is_well=True, of_runs=True)


def _words(lost: tuple[str, ...]) -> dict[str, str]:
    words: dict[str, str] = {}
    for each in lost:
        stage, _, word = each.partition("=")
        if word not in ("again", "done"):
            raise UsageError(f"--lost {each}: say {stage or 'STAGE'}=again or {stage}=done.")
        words[stage] = word
    return words


def pipeline_of(app: App, name: str) -> str:
    """The pipeline that is meant. Raises UsageError where several are there and none is said."""
    if name:
        return name
    if len(app.project.pipelines) != 1:
        names = ", ".join(app.project.pipelines)
        raise UsageError(f"this project has several pipelines: say --pipeline NAME ({names})")
    return next(iter(app.project.pipelines))


def _followed(app: App, run: str, screen: Screen, interrupts: Interrupts) -> Run:
    key = app.key(run)
    while True:
        if is_driven(app, key):
            ended = follow(app, key, listener=screen, interrupts=interrupts)
            if ended is not None:
                return ended
        with contextlib.suppress(Locked):  # another one that waits was quicker: follow that one
            return runs.adopt(app, key, listener=screen, interrupts=interrupts)


def _take_over(
    app: App, pipeline: str, environment: str, screen: Screen, interrupts: Interrupts
) -> Run | None:
    """A run that its controller left, driven to its end before another begins; None without."""
    left = runs.unfinished(app, pipeline, environment)
    return None if left is None else _adopted(app, left.key, screen, interrupts)


def _adopted(app: App, key: RunKey, screen: Screen, interrupts: Interrupts) -> Run | None:
    """The run as it ended, where its controller had left it; None where there was nothing to do."""
    if not runs.is_left(app, key):
        return None
    click.echo(f"{app.spoken(key)} was left by its controller; taking it over.", err=True)
    return runs.adopt(app, key, listener=screen, interrupts=interrupts)


@dataclass(frozen=True, slots=True)
class Turn:
    """Under which conditions an act enters an environment."""

    where: Callable[[App], tuple[str, str]]  # pipeline, environment
    purpose: str  # "up dev"
    patience: timedelta | None = None  # None: it does not queue
    held: bool = False  # under the person's own hold

    @contextlib.contextmanager
    def taken(self, app: App) -> Iterator[App]:
        """The app whose turn it is."""
        app = replace(app, admission=Admission(held=self.held))
        if self.patience is None:
            yield app
            return
        pipeline, environment = self.where(app)
        with queued(
            app,
            pipeline,
            environment,
            purpose=self.purpose,
            patience=self.patience,
            say=lambda why: click.echo(why, err=True),
        ) as app:
            yield app


def _carried_out(
    settings: Settings,
    drive: Driven,
    *,
    before: Callable[[App, Interrupts], None] | None = None,
    cancelled_is_well: bool = False,
    of_runs: bool = False,
    turn: Turn | None = None,
) -> None:
    with contextlib.ExitStack() as stack:
        app = stack.enter_context(opened_app(settings.directory, warm=True, of_runs=of_runs))
        if turn is not None:
            app = stack.enter_context(turn.taken(app))
        interrupts = Interrupts()
        if before is not None:
            before(app, interrupts)
        with _listening(interrupts), screen_for(settings) as screen:
            run = drive(app, screen, interrupts)
        finished(app, settings, run)
        code = exit_code(app, run)
    if interrupts.count == 1 and code == 13:
        code = 130
    raise click.exceptions.Exit(0 if cancelled_is_well and code == 13 else code)


@contextlib.contextmanager
def _listening(interrupts: Interrupts) -> Iterator[None]:
    """Ctrl-C is counted; each says what it did and what the next one would do."""
    words = (
        "ctrl-c: nothing more is started; running stages finish. Again: cancel them.",
        "ctrl-c: cancelling the running stages politely. Again: end their process trees.",
        "ctrl-c: ending the process trees of the running stages.",
    )

    def heard(*_: object) -> None:
        interrupts()
        with contextlib.suppress(RuntimeError, OSError):  # in the midst of a write; nobody reads
            click.echo(words[min(interrupts.count, 3) - 1], err=True)

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, receiver in before.items():
            signal.signal(number, receiver)


def _may_ask(settings: Settings, yes: bool) -> None:
    find_root(settings.directory)  # outside a project that is the thing to say
    if not yes and not settings.ask:
        raise UsageError("nobody is there to ask: say --yes. Nothing was started.")
