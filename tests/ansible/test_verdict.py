"""What do recorded events of ansible-runner say about a stage?"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ansible.listening import Asked, Listener
from orchestrator.ansible.rows import plan_of
from orchestrator.ansible.targets import hosts_listed
from orchestrator.ansible.verdict import Expected, outcome_of, stopped_outcome, summaries
from orchestrator.model.definitions import Cause
from orchestrator.model.events import LogLine, TaskResult, TaskStarted
from orchestrator.model.runs import Changes, Outcome, Status
from orchestrator.model.values import Secret
from orchestrator.model.work import Work
from tests.ansible.projects import Site, Told

RECORDED = Path(__file__).parent / "recorded"


@dataclass
class Replayed:
    """A recording, heard again."""

    name: str
    told: Told = field(default_factory=Told)
    code: int = 254

    def __post_init__(self) -> None:
        self.listener = Listener(self.told, Path("/project"))
        for line in (RECORDED / f"{self.name}.jsonl").read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "RC":
                self.code = event["rc"]
            else:
                self.listener.hear(event)
        self.listener.finish()

    def outcome(self, work: Work, expected: Expected | None = None) -> Outcome:
        heard, place = self.listener.heard, self.listener.place
        return outcome_of(work, heard, self.code, expected or Expected(), place)


@pytest.fixture
def work(site: Site) -> Work:
    return site.work()


def test_the_recap_counts_and_the_last_failure_is_real(work: Work) -> None:
    """Ignored and rescued failures are told as such; what is left is the failure."""
    replayed = Replayed("mixed")
    outcome = replayed.outcome(work)
    assert outcome.status is Status.FAILED
    assert [(f.where, f.task, f.file) for f in outcome.failures] == [
        ("localhost", "command", "p.yml:20")
    ]
    assert "cannot access '/nonexistent'" in outcome.failures[0].what
    assert outcome.changes == Changes(update=1, same=5)
    assert outcome.hosts == {"localhost": "failed"}
    states = [(r.file, r.state) for r in replayed.told.results() if r.action.endswith("command")]
    assert states == [("p.yml:9", "ignored"), ("p.yml:12", "rescued"), ("p.yml:20", "failed")]


def test_each_task_is_told_once(work: Work) -> None:
    """Every task has one start, counted from 1, and one result of its own per host."""
    replayed = Replayed("mixed")
    started = [event for event in replayed.told.events if isinstance(event, TaskStarted)]
    assert [event.number for event in started] == list(range(1, len(started) + 1))
    whole = [result for result in replayed.told.results() if not result.item]
    assert len(whole) == len(started)
    items = [(result.item, result.state) for result in replayed.told.results() if result.item]
    assert items == [("a", "changed"), ("b", "changed")]
    diffs = [result.diff for result in replayed.told.results() if result.diff]
    assert len(diffs) == 2  # not once more with the whole task, nor from runner_on_file_diff
    assert work.attempt == 1


def test_which_outputs_came_hidden(site: Site) -> None:
    """A set_stats key that was seen in clear is no secret; one from a no_log task is."""
    replayed = Replayed("mixed")
    replayed.code = 0
    stats = dict(replayed.listener.heard.stats or {})
    replayed.listener.heard.stats = {**stats, "failures": {}}
    for final in replayed.listener.heard.finals:
        if final.result.state == "failed":
            replayed.listener.heard.finals.remove(final)
    hidden = replayed.outcome(site.work(outputs={"sec": "secret(string)", "open": "int"}))
    assert hidden.outputs == {"sec": Secret("hush"), "open": 1}
    shown = replayed.outcome(site.work(outputs={"open": "secret(int)"}))
    assert shown.status is Status.FAILED
    assert "no_log: true" in shown.failures[0].what
    assert "hush" not in repr(replayed.told.events)
    wrong = replayed.outcome(site.work(outputs={"sec": "secret(int)"}))
    assert wrong.failures[0].what == "output 'sec' must be a secret(int)"


def test_a_batch_that_fails_leaves_the_rest_unreached(work: Work) -> None:
    """Unreachable, failed and never reached hosts are told apart; the cause comes first."""
    replayed = Replayed("batch")
    outcome = replayed.outcome(work, Expected(hosts=("h1", "h2", "h3", "h4")))
    assert outcome.hosts == {
        "h1": "unreachable",
        "h2": "failed",
        "h3": "not_reached",
        "h4": "not_reached",
    }
    assert [(f.where, f.cause) for f in outcome.failures] == [
        ("h1", Cause.UNREACHABLE),
        ("h2", Cause.FAILED),
    ]
    assert "Connection refused" in outcome.failures[0].what
    assert outcome.cause is Cause.FAILED
    recap = {s.host: s for s in summaries(replayed.listener.heard, outcome.hosts)}
    assert recap["h2"].counts["failures"] == 1
    assert recap["h3"].state == "not_reached"


def test_only_unreachable_hosts_are_an_unreachable_cause(work: Work) -> None:
    """A retry for unreachable hosts must not repeat a playbook that failed as well."""
    replayed = Replayed("batch")
    heard = replayed.listener.heard
    heard.finals = [final for final in heard.finals if final.result.host == "h1"]
    assert replayed.outcome(work).cause is Cause.UNREACHABLE


def test_a_playbook_that_does_not_load(work: Work) -> None:
    """Code 4 without a recap is no unreachable host: the text names file and line."""
    replayed = Replayed("syntax")
    assert replayed.code == 4
    outcome = replayed.outcome(work)
    assert outcome.cause is Cause.FAILED
    failure = outcome.failures[0]
    assert failure.file == "bad2.yml:3"
    assert failure.what.startswith("couldn't resolve module/action 'nosuchmodule'")
    lines = [event for event in replayed.told.events if isinstance(event, LogLine)]
    assert "error" in {line.severity for line in lines}


def test_nobody_matched(work: Work) -> None:
    """Code 0 without a host is a failure that lists pattern, groups and hosts."""
    replayed = Replayed("unmatched")
    assert replayed.code == 0
    outcome = replayed.outcome(work, Expected(groups=("web",), known=("h1", "h2")))
    assert outcome.status is Status.FAILED
    expected = "no host matched 'nosuch'; groups: web; hosts: h1, h2"
    assert outcome.failures[0].what == expected
    assert plan_of(work, replayed.listener.heard, 0).deferred == "no host is there yet to check"


def test_a_run_cut_short_tells_what_it_did(work: Work) -> None:
    """Without the recap, hosts and changes come from the results heard so far."""
    replayed = Replayed("mixed")
    replayed.listener.heard.stats = None
    work.cancel.ask("timeout")
    outcome = stopped_outcome(work, replayed.listener.heard)
    assert outcome.status is Status.FAILED
    assert outcome.cause is Cause.TIMEOUT
    assert outcome.changes.update == 1
    assert outcome.failures[-1].cause is Cause.TIMEOUT
    assert outcome.hosts == {"localhost": "failed"}


def test_a_failure_is_told_when_others_go_on() -> None:
    """A failed result is held back until two more tasks have started, not until the end."""
    told = Told()
    listener = Listener(told, Path("/project"))
    task = {"event": "playbook_on_task_start", "event_data": {"task": "t"}}
    listener.hear(task)
    listener.hear(_event("runner_on_failed", host="h1", res={"msg": "broken"}))
    listener.hear(task)
    assert not told.results()
    listener.hear(task)
    assert [result.state for result in told.results()] == ["failed"]


def test_ignored_unreachable_hosts_are_no_failures(work: Work) -> None:
    """ignore_unreachable: the recap does not count the host as dark, so neither do we."""
    listener = Listener(Told(), Path("/project"))
    listener.hear(_event("runner_on_unreachable", host="h1", res={"msg": "gone"}))
    listener.hear(_event("playbook_on_stats", processed={"h1": 1}, ok={"h1": 1}))
    outcome = outcome_of(work, listener.heard, 0, Expected(), listener.place)
    assert outcome.status is Status.SUCCEEDED


def test_control_bytes_and_long_messages_are_tamed() -> None:
    """Terminal escapes go, long output is clipped in its middle, hidden results stay hidden."""
    told = Told()
    listener = Listener(told, Path("/project"))
    text = "\x1b]8;;http://x\x07\x1b[31mred\x1b[0m" + "x" * 100_000
    listener.hear(_event("runner_on_failed", host="h", ignore_errors=True, res={"msg": text}))
    listener.hear(_event("runner_on_failed", host="h", ignore_errors=True, res={"censored": "x"}))
    loud, hidden = told.results()
    assert loud.message.startswith("redx")
    assert len(loud.message) < 3000
    assert hidden.message == "(hidden by no_log)"


def test_too_large_a_result_hides_no_secret(site: Site) -> None:
    """A set_stats result that came empty may have been shown: its keys are no secrets."""
    listener = Listener(Told(), Path("/project"))
    listener.hear(_event("runner_on_ok", host="h", resolved_action="set_stats", res={}))
    stats = {"processed": {"h": 1}, "artifact_data": {"key": "v"}}
    listener.hear(_event("playbook_on_stats", **stats))
    work = site.work(outputs={"key": "secret(string)"})
    assert outcome_of(work, listener.heard, 0, Expected(), listener.place).failures


def test_a_question_stops_the_playbook() -> None:
    """vars_prompt raises, for nobody would ever answer."""
    with pytest.raises(Asked, match="colour"):
        Listener(Told(), Path("/project")).hear(_event("playbook_on_vars_prompt", varname="colour"))


def test_listed_hosts_are_read() -> None:
    """Names of --list-hosts, those of several plays once."""
    lines = [
        "playbook: play.yml",
        "",
        "  play #1 (web): web\tTAGS: []",
        "    pattern: ['web']",
        "    hosts (2):",
        "      h2",
        "      h1",
        "  play #2 (all): all\tTAGS: []",
        "    hosts (1):",
        "      h1",
    ]
    assert hosts_listed(lines) == ("h2", "h1")


def test_results_of_nothing_known_are_harmless() -> None:
    """Events with missing or odd fields are taken without an error."""
    told = Told()
    listener = Listener(told, Path("/project"))
    for name in ("runner_on_ok", "runner_item_on_failed", "runner_retry", "made_up", ""):
        listener.hear({"event": name})
        listener.hear({"event": name, "event_data": {"res": None}})
    listener.finish()
    assert all(isinstance(event, TaskResult | LogLine) for event in told.events)


def _event(event: str, **data: Any) -> dict[str, Any]:
    return {"event": event, "event_data": data}
