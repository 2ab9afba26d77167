"""How does this person or program want to be answered?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options before the verb."""

    directory: Path = Path()
    json: bool = False
    plain: bool = False
    quiet: bool = False
    verbose: bool = False
    color: bool = True
    ask: bool = False  # a person is there to answer


pass_settings = click.make_pass_decorator(Settings)
