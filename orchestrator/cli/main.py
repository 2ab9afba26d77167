"""What can be typed? Every verb by name; its module is imported only when it is used."""

from __future__ import annotations

import errno
import gc
import importlib
import sys
from pathlib import Path

import click

from orchestrator.cli.settings import Settings
from orchestrator.model.errors import DefinitionError, OrchestratorError

VERBS = {
    # Start
    "init": "init:init",
    "doctor": "doctor:doctor",
    "store": "store:store",
    "validate": "definitions:validate",
    "render": "definitions:render",
    "graph": "definitions:graph",
    "explain": "definitions:explain",
    "schema": "definitions:schema",
    # Change
    "up": "change:up",
    "destroy": "change:destroy",
    "retry": "change:retry",
    "cancel": "change:cancel",
    "hold": "lease:hold",
    "lease": "lease:lease",
    # Watch
    "status": "watch:status",
    "runs": "watch:runs",
    "logs": "logs:logs",
    "wait": "change:wait",
    "stack": "stack:stack",
    "release": "release:release",
    "policy": "policy:policy",
    "completion": "completion:completion",
}

SHORT_HELP = {
    "init": "Make a project here: files to start from, an id, a store.",
    "doctor": "What does this machine need, have and lack? --fix mends it.",
    "store": "Make this project's store, or show it.",
    "validate": "Check every file of the project, all problems at once.",
    "render": "The resolved definition of an environment.",
    "graph": "The stages and what they wait for.",
    "explain": "Where does a value come from?",
    "schema": "The JSON Schema of the definition files.",
    "up": "Bring an environment up, stage by stage.",
    "destroy": "Take an environment away, in reverse order.",
    "retry": "Go on with a run from where it failed.",
    "cancel": "Ask a run to stop.",
    "hold": "Keep everybody out of an environment while you work in it.",
    "lease": "Who may change what, until when; break a lease.",
    "status": "What is where? Or one run in full.",
    "runs": "The runs so far, newest first.",
    "logs": "What a run's stages told.",
    "wait": "Follow a run to its end; take it over if its controller died.",
    "stack": "The states of Pulumi stacks: every version, and back to one.",
    "release": "The releases that were made.",
    "policy": "The rules of the gates: checked, tested, explained.",
    "completion": "The completion script of a shell.",
}


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # full, over quota, read-only: nobody's mistake


STARTS_ATTEMPTS = ("up", "destroy", "retry")


class LazyGroup(click.Group):
    """Lists verbs without importing them (--help stays under 150 ms)."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name].partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"orchestrator.cli.{module}"), name
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        if args and args[0] not in VERBS:
            close = get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            ctx.fail(f"No such verb '{args[0]}'.{hint}")
        if args and args[0] in STARTS_ATTEMPTS and not {"-h", "--help"} & set(args):
            from orchestrator.wiring.parents import begin_early

            begin_early()
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        with formatter.section("Verbs"):
            formatter.write_dl([(name, SHORT_HELP[name]) for name in VERBS])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-C",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Work in this folder.",
)
@click.option("--json", "json_", is_flag=True, help="NDJSON on stdout, for programs.")
@click.option("--plain", is_flag=True, help="One line per event, no live view, no symbols.")
@click.option("-q", "--quiet", is_flag=True, help="Only the result.")
@click.option("-v", "--verbose", is_flag=True, help="Also what the tools print.")
@click.option("--no-color", is_flag=True, help="No colours.")
@click.option("--no-input", is_flag=True, help="Never ask; refuse instead.")
@click.version_option(package_name="orchestrator")
@click.pass_context
def cli(
    ctx: click.Context,
    directory: Path,
    json_: bool,
    plain: bool,
    quiet: bool,
    verbose: bool,
    no_color: bool,
    no_input: bool,
) -> None:
    """Carries environments and releases over Pulumi stacks and Ansible playbooks."""
    ctx.obj = Settings(
        directory=directory,
        json=json_,
        plain=plain,
        quiet=quiet,
        verbose=verbose,
        color=not no_color,
        ask=not no_input and sys.stdin is not None and sys.stdin.isatty(),
    )


def main() -> None:
    """The console script: an error of ours is its text and its exit code, never a traceback."""
    gc.set_threshold(50_000)  # imports make no garbage; looking for it takes a tenth of a start
    try:
        # Without its standalone mode click answers with the code of an Exit instead of exiting.
        sys.exit(cli.main(prog_name="orchestrator", standalone_mode=False))
    except click.exceptions.Abort:
        click.echo("Aborted.", err=True)
        sys.exit(130)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except DefinitionError as error:
        from orchestrator.files.problems import rendered_all

        click.echo(rendered_all(error.problems), err=True)
        sys.exit(error.exit_code)
    except OrchestratorError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `orchestrator logs … | head`
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        if error.errno not in _DISK:
            raise
        where = f" {error.filename}" if error.filename else ""
        click.echo(
            f"error: the disk cannot be written:{where} {str(error.strerror).lower()}. What was "
            "recorded stands. See to the disk, then repeat the command: it goes on from there.",
            err=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
