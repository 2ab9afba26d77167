"""How is a run shown while it goes on? Live, a line per event when piped, or NDJSON."""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import UTC, datetime
from typing import Protocol

import click

from orchestrator.cli.lines import as_json, event_line, now_line, told_line
from orchestrator.cli.settings import Settings
from orchestrator.cli.words import duration
from orchestrator.model.events import Recorded, RunEvent

QUIET_FOR = 30.0  # seconds of silence before a line says what still goes on


class Screen(Protocol):
    """Shows what is told; a context that leaves the terminal as it found it."""

    def __enter__(self) -> Screen: ...
    def __exit__(self, *_: object) -> None: ...
    def __call__(self, told: RunEvent | Recorded) -> None: ...


def screen_for(settings: Settings) -> Screen:
    """The screen that fits the options and the terminal."""
    if settings.json:
        return JsonScreen()
    if settings.quiet:
        return SilentScreen()
    dumb = os.environ.get("TERM", "") in ("", "dumb") or "CI" in os.environ
    if settings.plain or dumb or not sys.stderr.isatty():
        return PlainScreen(verbose=settings.verbose)
    from orchestrator.cli.live import LiveScreen

    return LiveScreen(color=settings.color, verbose=settings.verbose)


class SilentScreen:
    """Shows nothing; the result comes afterwards."""

    def __enter__(self) -> SilentScreen:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, told: RunEvent | Recorded) -> None:
        pass


class JsonScreen(SilentScreen):
    """One JSON object a line on stdout; `v` only grows."""

    def __call__(self, told: RunEvent | Recorded) -> None:
        click.echo(json.dumps(as_json(told), separators=(",", ":")))


class PlainScreen(SilentScreen):
    """One timestamped line per event on stderr; after 30 s of silence, what still runs."""

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._running: dict[str, datetime] = {}
        self._now: dict[str, str] = {}  # stage -> what it is at
        self._last = datetime.now(UTC)
        self._run = ""
        self._saying = threading.Lock()
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._break_silence, daemon=True)

    def __enter__(self) -> PlainScreen:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    def __call__(self, told: RunEvent | Recorded) -> None:
        with self._saying:
            if isinstance(told, RunEvent):
                self._event(told)
            else:
                self._recorded(told)

    def _event(self, event: RunEvent) -> None:
        self._run = event.run
        if event.type == "stage.started":
            self._running[event.stage] = event.at
        if event.type in ("stage.finished", "stage.retrying"):
            self._running.pop(event.stage, None)
            self._now.pop(event.stage, None)
        if line := event_line(event):
            self._say(event.at, f"{event.run} {line}")

    def _recorded(self, row: Recorded) -> None:
        if line := now_line(row):
            self._now[row.stage] = line
        if self._verbose and (text := told_line(row)):
            self._say(row.at, f"{self._run} {row.stage} | {text}")

    def _break_silence(self) -> None:
        """A job that says nothing gets killed by those who wait for it."""
        while not self._over.wait(1.0):
            now = datetime.now(UTC)
            with self._saying:
                if (now - self._last).total_seconds() > QUIET_FOR:
                    for stage, since in list(self._running.items()):
                        ran = duration((now - since).total_seconds())
                        at = self._now.get(stage, "")
                        self._say(now, f"{self._run} {stage} running {ran} {at}")

    def _say(self, at: datetime, text: str) -> None:
        self._last = datetime.now(UTC)  # when it was said; what is told may be older
        click.echo(f"{at:%Y-%m-%dT%H:%M:%SZ} {text}".rstrip(), err=True)
