"""How is a length of time typed? As in the files: 30m, 2h, 1h30m."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click


class DurationType(click.ParamType[timedelta]):
    """A positive timedelta."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        from orchestrator.files.kinds.common import duration  # pydantic, only where it is typed

        try:
            length = duration(value)
        except ValueError as error:
            self.fail(f"{error}", param, ctx)
        if not length:
            self.fail("must be more than nothing", param, ctx)
        return length


DURATION = DurationType()
