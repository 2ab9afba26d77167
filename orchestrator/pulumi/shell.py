"""How does the ordinary `pulumi` command, typed by a person, work on a stack of the store?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.model.events import LogLine
from orchestrator.model.work import Work
from orchestrator.ports import Report
from orchestrator.pulumi.cli import language_host
from orchestrator.pulumi.place import StoreStack
from orchestrator.pulumi.prepare import Surroundings, prepared_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Where commands are run, and with which variables besides a person's own."""

    directory: Path  # the program's
    env: Mapping[str, str] = field(repr=False)
    pulumi: Path


@contextmanager
def shell_for(work: Work, around: Surroundings, report: Report) -> Iterator[Shell]:
    """A stack's program, settings and state are within reach of `pulumi` meanwhile.

    Each option is given as PULUMI_OPTION_<NAME>, which the CLI reads as if it had been typed.
    """
    with prepared_for(work, around) as prepared:
        operation = prepared.operation
        place = prepared.place
        if isinstance(place, StoreStack) and not place.exists:
            place.make_for_now()
        with language_host(operation, _lines_only(report)) as address:
            env = {
                **operation.env,
                "PULUMI_OPTION_STACK": operation.stack,
                "PULUMI_OPTION_CONFIG_FILE": str(operation.config_file),
                **({"PULUMI_OPTION_CLIENT": address} if address else {}),
            }
            yield Shell(directory=operation.directory, env=env, pulumi=operation.cli)


def _lines_only(report: Report) -> Report:
    def tell(event: object) -> None:
        if isinstance(event, LogLine):
            report(event)

    return tell
