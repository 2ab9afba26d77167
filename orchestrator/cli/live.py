"""What does a run look like on a terminal? One line per stage, the running ones saying what."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli.lines import event_line, now_line, told_line
from orchestrator.cli.words import COLORS, PLAIN_SYMBOLS, SYMBOLS, duration, stage_words
from orchestrator.model.events import Recorded, RunEvent


class LiveScreen:
    """Redraws in place, never higher than the terminal; the last picture stays."""

    def __init__(self, *, color: bool, verbose: bool) -> None:
        self._console = Console(stderr=True, no_color=not color, highlight=False)
        self._verbose = verbose
        self._symbols = SYMBOLS if "utf" in (sys.stderr.encoding or "").lower() else PLAIN_SYMBOLS
        self._title = ""
        self._started = datetime.now(UTC)
        self._stages: dict[str, dict[str, Any]] = {}
        self._done = False
        self._live = Live(console=self._console, refresh_per_second=5, get_renderable=self._picture)

    def __enter__(self) -> LiveScreen:
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done = True
        self._live.__exit__(None, None, None)

    def __call__(self, told: RunEvent | Recorded) -> None:
        if isinstance(told, RunEvent):
            self._event(told)
        else:
            self._recorded(told)

    def _event(self, event: RunEvent) -> None:
        body: Any = event.body
        if event.type == "run.started":
            self._started = event.at
            arrow = "->" if body["action"] == "apply" else body["action"]
            self._title = f"{body['release']} {arrow} {body['environment']}   run {event.run}"
            self._stages = {
                s["stage"]: {"kind": s["kind"], "status": s["status"]} for s in body["stages"]
            }
        elif event.type == "stage.retrying":
            self._stages[event.stage] |= {"status": "pending", "now": body["reason"]}
        elif event.type == "stage.started":
            self._stages[event.stage] |= {"status": "running", "since": event.at, "now": ""}
            if body["attempt"] > 1:
                self._stages[event.stage]["now"] = f"attempt {body['attempt']}"
        elif event.type == "run.store_away":
            self._console.print(Text(event_line(event)))
        elif event.type == "stage.finished":
            self._stages[event.stage] |= {
                "status": body["status"],
                "took": body.get("seconds", 0.0),
                "now": stage_words(body),
            }

    def _recorded(self, row: Recorded) -> None:
        if (line := now_line(row)) and row.stage in self._stages:
            self._stages[row.stage]["now"] = line
        if self._verbose and (text := told_line(row)):
            self._console.print(Text(f"{row.stage} | {text}"))

    def _picture(self) -> Table:
        """The whole run; where it is higher than the terminal, what is done folds into a count."""
        grid = Table.grid(padding=(0, 1))
        room = max(self._console.height - 4, 3)
        rows = list(self._stages.items())
        folded = 0
        if len(rows) > room and not self._done:
            ended = [name for name, s in rows if s["status"] in ("succeeded", "skipped")]
            folded = min(len(ended), len(rows) - room + 1)
            hidden = set(ended[:folded])
            rows = [(name, s) for name, s in rows if name not in hidden][: room - 1]
        table = Table.grid(padding=(0, 2))
        if folded:
            table.add_row(Text(self._symbols["succeeded"], "green"), f"{folded} done")
        for name, stage in rows:
            self._row(table, name, stage)
        grid.add_row(Text(self._title, "bold"))
        grid.add_row(table)
        if not self._done:
            grid.add_row(Text(self._foot(), "dim"))
        return grid

    def _row(self, table: Table, name: str, stage: dict[str, Any]) -> None:
        status = stage["status"]
        took = ""
        if status == "running":
            took = duration((datetime.now(UTC) - stage["since"]).total_seconds())
        elif stage.get("took"):
            took = duration(stage["took"])
        now = stage.get("now", "") or ("" if status == "succeeded" else status)
        table.add_row(
            Text(self._symbols[status], COLORS.get(status, "")),
            name,
            Text(stage["kind"], "dim"),
            took,
            Text(now, overflow="ellipsis", no_wrap=True),
        )

    def _foot(self) -> str:
        elapsed = duration((datetime.now(UTC) - self._started).total_seconds())
        return f"{elapsed} elapsed      ctrl-c: starts nothing more; again: cancel"
