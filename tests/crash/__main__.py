"""`python -m tests.crash --record` writes the list of points anew."""

import tempfile
from pathlib import Path

import click

from tests.crash.recording import POINTS, chosen


@click.command()
@click.option("--record", is_flag=True, help="Write points.txt anew.")
def main(record: bool) -> None:
    """Shows the points that commands pass."""
    with tempfile.TemporaryDirectory() as folder:
        lines = chosen(Path(folder))
    if record:
        POINTS.write_text("".join(f"{line}\n" for line in lines))
    click.echo("\n".join(lines))
    click.echo(f"{len(lines)} points", err=True)


if __name__ == "__main__":
    main()
