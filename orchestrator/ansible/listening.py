"""What do the events of Ansible's callback tell, and what must be kept of them for the verdict?

Whether a failed task is rescued is not said by its event: only the recap counts it. A failed
result is therefore told late: when two more tasks have started without its host, or at the recap,
where of each host's failures the last `failures` are real and those before were rescued.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.ansible.texts import (
    clipped,
    diff_paths,
    diff_text,
    failure_message,
    item_label,
    plain,
    success_message,
    was_changed,
)
from orchestrator.model.definitions import Cause
from orchestrator.model.events import LogLine, Progress, TaskResult, TaskStarted
from orchestrator.model.runs import Failure
from orchestrator.ports import Report

Event = Mapping[str, Any]
_SEVERITIES = {
    "warning": "warning",
    "system_warning": "warning",
    "deprecated": "warning",
    "error": "error",
    "debug": "debug",
    "verbose": "info",
}


class Asked(Exception):
    """The playbook asks a person for something; nobody is there."""


@dataclass(slots=True, kw_only=True, eq=False)
class Final:
    """The last word of one task on one host."""

    result: TaskResult
    task_id: str
    unchecked: bool = False  # skipped because check mode cannot tell what it would do
    paths: tuple[str, ...] = ()  # what its diffs say will change, those of items as well
    diff: str = ""
    continued: bool = False  # its host went on after it
    tasks_since: int = 0
    items: list[TaskResult] = field(default_factory=list)  # of a loop, those that failed


@dataclass(slots=True, kw_only=True)
class Heard:
    """What was kept of a run's events, in their order."""

    finals: list[Final] = field(default_factory=list)
    stats: Mapping[str, Any] | None = None  # Ansible's recap; None where it never came
    complaints: list[str] = field(default_factory=list)  # lines printed outside of tasks
    unmatched: list[str] = field(default_factory=list)  # patterns of plays without a host
    patterns: list[str] = field(default_factory=list)  # of all plays
    shown_stats: set[str] = field(default_factory=set)  # set_stats keys seen without no_log
    stats_unseen: bool = False  # a set_stats result was too large to be seen
    under_way: dict[str, str] = field(default_factory=dict)  # host -> the task it is in


class Listener:
    """Turns events into ours, told at once, and keeps what the verdict needs."""

    def __init__(self, report: Report, project: Path) -> None:
        self.heard = Heard()
        self._report = report
        self._roots = tuple(dict.fromkeys((str(project), str(project.resolve()))))
        self._play = ""
        self._number = 0
        self._failed_items: dict[tuple[str, str], list[TaskResult]] = {}
        self._unchecked_items: dict[tuple[str, str], bool] = {}
        self._changed_items: set[tuple[str, str]] = set()  # tasks of which an item changed
        self._held: list[Final] = []  # failed, not told yet

    def hear(self, event: Event) -> None:
        """Takes one event of ansible-runner. Raises Asked where the playbook waits for a person."""
        name = str(event.get("event", ""))
        data = event.get("event_data") or {}
        if action := _ACTIONS.get(name):
            action(self, name, {**data, "stdout": event.get("stdout", "")})
        elif name in _SEVERITIES:
            self._line(name, str(event.get("stdout", "")))

    def finish(self) -> None:
        """Tells what is still held back; to be called once, after the last event."""
        self._settle()

    def place(self, path: str) -> str:
        """A path with its line, relative to the project where it lies inside."""
        for root in self._roots:
            if path.startswith(f"{root}/"):
                return path[len(root) + 1 :]
        return path

    def _line(self, name: str, stdout: str) -> None:
        for text in plain(stdout).splitlines():
            if text.strip():
                severity = _severity(text, _SEVERITIES[name])
                self._report(LogLine(text=clipped(text), severity=severity))
                self.heard.complaints.append(text)

    def _play_started(self, _: str, data: Event) -> None:
        self._play = str(data.get("play") or data.get("name") or "")
        self.heard.patterns.append(str(data.get("play_pattern") or self._play))
        self._report(Progress(text=f"play {self._play}"))

    def _unmatched(self, _: str, data: Event) -> None:
        self.heard.unmatched.append(str(data.get("play_pattern") or self._play))

    def _asked(self, _: str, data: Event) -> None:
        raise Asked(str(data.get("varname", "a value")))

    def _task_started(self, _: str, data: Event) -> None:
        self._number += 1
        for final in tuple(self._held):
            final.tasks_since += 1
            if final.tasks_since > 1 and not final.continued:
                self._tell(final)
        self._report(
            TaskStarted(
                play=str(data.get("play", "")),
                task=_task(data),
                number=self._number,
                role=_role(data),
                file=self.place(str(data.get("task_path") or "")),
                action=_action(data),
            )
        )

    def _host_started(self, _: str, data: Event) -> None:
        self.heard.under_way[str(data.get("host", ""))] = _task(data)
        for final in tuple(self._held):
            final.continued = final.continued or final.result.host == data.get("host")

    def _retried(self, _: str, data: Event) -> None:
        result = data.get("res") or {}
        tries, most = result.get("attempts", "?"), result.get("retries", "?")
        text = f"{data.get('host')}: {_task(data)}: attempt {tries} of {most} failed, trying again"
        self._report(LogLine(text=text, stream="tool"))

    def _item(self, name: str, data: Event) -> None:
        raw = data.get("res") or {}
        result = self._result(data, raw, _ITEM_STATES[name], item=item_label(raw))
        if result.state == "skipped":
            unchecked = self._unchecked_items.get(_key(data), False)
            self._unchecked_items[_key(data)] = unchecked or not _conditional(raw)
        if result.state == "changed":
            self._changed_items.add(_key(data))
        if result.state == "failed":  # told with the whole task, which may be ignored or rescued
            self._failed_items.setdefault(_key(data), []).append(result)
        else:
            self._report(result)

    def _ended(self, name: str, data: Event) -> None:
        raw = data.get("res") or {}
        state = _STATES[name]
        if state == "failed" and data.get("ignore_errors"):
            state = "ignored"
        result = self._with_items(data, raw, self._result(data, raw, state))
        if raw.get("results"):
            result = replace(result, diff="")  # its items told it
        final = Final(
            result=result,
            task_id=str(data.get("task_uuid", "")),
            unchecked=self._was_unchecked(data, state),
            paths=diff_paths(_diffs(raw)),
            diff=diff_text(_diffs(raw)),
            items=self._failed_items.pop(_key(data), []),
        )
        self.heard.finals.append(final)
        self.heard.under_way.pop(result.host, None)
        if result.action.rpartition(".")[2] == "set_stats":
            self._note_stats(raw)
        if state == "failed":
            self._held.append(final)
        else:
            self._tell(final)

    def _was_unchecked(self, data: Event, state: str) -> bool:
        """Skipped by check mode, not by a condition: command, shell, modules without check mode.

        The event of a skipped task has no result; in a check (-v) its line shows it.
        """
        items = self._unchecked_items.pop(_key(data), None)
        if items is not None or state != "skipped":
            return bool(items)
        return not _conditional(str(data.get("stdout", "")))

    def _note_stats(self, raw: Mapping[str, Any]) -> None:
        """Which keys came in clear. Hidden results are `censored`, those too large are {}."""
        self.heard.stats_unseen = self.heard.stats_unseen or not raw
        for result in (raw, *(raw.get("results") or ())):
            stats = result.get("ansible_stats") if isinstance(result, Mapping) else None
            self.heard.shown_stats.update((stats or {}).get("data") or ())

    def _recap(self, _: str, data: Event) -> None:
        self.heard.stats = data
        self._settle()

    def _settle(self) -> None:
        left = dict((self.heard.stats or {}).get("failures") or {})
        for final in reversed(self.heard.finals):
            host = final.result.host
            if final.result.state != "failed":
                continue
            real = left.get(host, 0) > 0 if self.heard.stats else not final.continued
            left[host] = left.get(host, 0) - 1
            if not real:
                final.result = replace(final.result, state="rescued")
        for final in tuple(self._held):
            self._tell(final)

    def _tell(self, final: Final) -> None:
        if final in self._held:
            self._held.remove(final)
        for item in final.items:
            self._report(replace(item, state=final.result.state))
        self._report(final.result)

    def _result(
        self, data: Event, raw: Mapping[str, Any], state: str, item: str = ""
    ) -> TaskResult:
        action = _action(data)
        if state == "ok" and was_changed(raw, str(data.get("stdout", ""))):
            state = "changed"
        return TaskResult(
            host=str(data.get("host", "")),
            play=str(data.get("play", "")),
            task=_task(data),
            state=state,
            role=_role(data),
            file=self.place(str(data.get("task_path") or "")),
            action=action,
            item=item,
            message=_message(state, raw, action),
            diff=diff_text(raw.get("diff")),
            seconds=float(data.get("duration") or 0.0),
        )

    def _with_items(self, data: Event, raw: Mapping[str, Any], result: TaskResult) -> TaskResult:
        """Whether a loop under no_log changed something is shown with its items only."""
        item_changed = _key(data) in self._changed_items
        self._changed_items.discard(_key(data))  # a handler may come again
        if item_changed and "censored" in raw and result.state == "ok":
            return replace(result, state="changed")
        return result


def title(result: TaskResult) -> str:
    """ "app : restart service" """
    return f"{result.role} : {result.task}" if result.role else result.task


def failure_of(final: Final) -> Failure:
    """What a failed or unreachable result says as a Failure."""
    result = final.result
    gone = result.state == "unreachable"
    return Failure(
        where=result.host,
        what=result.message,
        task=title(result),
        file=result.file,
        cause=Cause.UNREACHABLE if gone else Cause.FAILED,
    )


def failures_of(heard: Heard) -> Iterator[Final]:
    """Results that count against a host, in time order: neither ignored nor rescued."""
    dark = (heard.stats or {}).get("dark") or {}
    for final in heard.finals:
        lost = final.result.state == "unreachable" and (
            heard.stats is None or final.result.host in dark  # else ignore_unreachable
        )
        if lost or final.result.state == "failed":
            yield final


_STATES = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_skipped": "skipped",
    "runner_on_unreachable": "unreachable",
}
_ITEM_STATES = {
    "runner_item_on_ok": "ok",
    "runner_item_on_failed": "failed",
    "runner_item_on_skipped": "skipped",
}
_ACTIONS: dict[str, Callable[[Listener, str, Event], None]] = {
    "playbook_on_play_start": Listener._play_started,
    "playbook_on_no_hosts_matched": Listener._unmatched,
    "playbook_on_vars_prompt": Listener._asked,
    "playbook_on_task_start": Listener._task_started,
    "playbook_on_cleanup_task_start": Listener._task_started,
    "playbook_on_handler_task_start": Listener._task_started,
    "runner_on_start": Listener._host_started,
    "runner_retry": Listener._retried,
    "playbook_on_stats": Listener._recap,
    **dict.fromkeys(_ITEM_STATES, Listener._item),
    **dict.fromkeys(_STATES, Listener._ended),
}


def _conditional(told: Mapping[str, Any] | str) -> bool:
    return any(word in told for word in ("skip_reason", "skipped_reason", "false_condition"))


def _diffs(raw: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = []
    for result in (raw, *(raw.get("results") or ())):
        diff = result.get("diff") if isinstance(result, Mapping) else None
        found += diff if isinstance(diff, list) else [diff]
    return found


def _message(state: str, raw: Mapping[str, Any], action: str) -> str:
    if state in ("failed", "ignored", "unreachable"):
        return failure_message(raw)
    if state == "skipped":
        return clipped(str(raw.get("skip_reason") or raw.get("msg") or ""))
    return success_message(raw, action)


def _severity(text: str, otherwise: str) -> str:
    if text.startswith(("[ERROR]", "ERROR!")):
        return "error"
    marks = ("[WARNING]", "[DEPRECATION WARNING]")
    return "warning" if text.startswith(marks) else otherwise


def _key(data: Event) -> tuple[str, str]:
    return str(data.get("host", "")), str(data.get("task_uuid", ""))


def _task(data: Event) -> str:
    return str(data.get("task") or data.get("name") or "")


def _role(data: Event) -> str:
    """With its collection where it comes from one."""
    return str(data.get("resolved_role") or data.get("role") or "")


def _action(data: Event) -> str:
    return str(data.get("resolved_action") or data.get("task_action") or "")
