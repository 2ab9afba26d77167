"""`completion`: the script that teaches a shell the verbs."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print SHELL's completion script: eval "$(orchestrator completion bash)"."""
    from orchestrator.cli.main import cli

    class_ = get_completion_class(shell)
    assert class_ is not None
    click.echo(class_(cli, {}, "orchestrator", "_ORCHESTRATOR_COMPLETE").source())
