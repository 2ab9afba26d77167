"""Did a playbook do what it should, host by host?

Judged by exit code, recap and expected hosts, never by ansible-runner's status: an empty inventory,
a play that matches nothing and an unknown task to start at all end with code 0 (reference ansible).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.ansible.listening import Heard, failure_of, failures_of
from orchestrator.model.definitions import Cause, HostKeys
from orchestrator.model.events import HostSummary
from orchestrator.model.runs import Changes, Failure, Outcome, Status
from orchestrator.model.types import ValueType, mismatch
from orchestrator.model.values import Secret, Value
from orchestrator.model.work import Work

COUNTS = ("ok", "changed", "failures", "dark", "skipped", "rescued", "ignored", "processed")
_ERRORS = ("[ERROR]", "ERROR!")
_ORIGIN = re.compile(r"^Origin: (?P<file>.+?):(?P<line>\d+)(:\d+)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Asked of Ansible only where a run did not go well."""

    hosts: tuple[str, ...] = ()  # of all plays, within the limit
    groups: tuple[str, ...] = ()  # all there are, for a message
    known: tuple[str, ...] = ()  # all hosts there are


def outcome_of(
    work: Work, heard: Heard, code: int, expected: Expected, place: Callable[[str], str]
) -> Outcome:
    """What a playbook that ended by itself did. `place` makes paths relative to the project."""
    if heard.stats is None:
        return Outcome(
            status=Status.FAILED,
            failures=(_broken(work, heard, code, place),),
            hosts=dict.fromkeys(expected.hosts, "not_reached"),
            changes=changes_of(heard),
        )
    hosts = host_states(heard, expected.hosts)
    failures = tuple(_with_advice(work, failure_of(final)) for final in failures_of(heard))
    if not heard.stats.get("processed"):
        failures = (_no_host(work, heard, expected),)
    elif code == 0 and not failures:
        return _succeeded(work, heard, hosts)
    elif not failures:
        failures = (Failure(where=_playbook(work), what=_last_words(heard, code)),)
    return Outcome(
        status=Status.FAILED,
        changes=changes_of(heard),
        failures=failures,
        cause=_cause(failures),
        hosts=hosts,
        notes=tuple(_notes(heard)),
    )


def stopped_outcome(work: Work, heard: Heard) -> Outcome:
    """What a playbook did that was stopped by us."""
    timeout = work.cancel.reason == "timeout"
    running = f"; it had taken longer than {work.timeout}" if timeout else ""
    failure = Failure(
        where=_playbook(work),
        what=f"stopped before its end{running}",
        cause=Cause.TIMEOUT,
    )
    return Outcome(
        status=Status.FAILED if timeout else Status.CANCELLED,
        changes=changes_of(heard),
        failures=(*map(failure_of, failures_of(heard)), failure) if timeout else (),
        cause=Cause.TIMEOUT if timeout else Cause.FAILED,
        hosts=host_states(heard, ()),
        notes=tuple(f"{host} was in task '{task}'" for host, task in heard.under_way.items()),
    )


def was_done(heard: Heard) -> bool:
    """Whether a playbook that was to stop had come to its end already: Ansible's recap came."""
    return heard.stats is not None


def code_of(heard: Heard, code: int) -> int:
    """The exit code of a playbook whose recap came, also where its process was stopped in it."""
    bad = any((heard.stats or {}).get(count) for count in ("failures", "dark"))
    return code if bad else 0


def host_states(heard: Heard, expected: Sequence[str]) -> dict[str, str]:
    """host -> ok | changed | failed | unreachable | not_reached, in the order they came."""
    if heard.stats is None:
        states = _states_so_far(heard)
    else:
        states = {host: _state(heard.stats, host) for host in heard.stats.get("processed") or ()}
    return states | {host: "not_reached" for host in expected if host not in states}


def summaries(heard: Heard, hosts: Mapping[str, str]) -> Iterator[HostSummary]:
    """Ansible's recap, one event per host."""
    stats = heard.stats or {}
    for host, state in hosts.items():
        counts = {name: int((stats.get(name) or {}).get(host, 0)) for name in COUNTS[:-1]}
        yield HostSummary(host=host, state=state, counts=counts)


def changes_of(heard: Heard) -> Changes:
    """(host, task) pairs: a task that ran twice on a host counts once, as changed if it did."""
    pairs: dict[tuple[str, str], bool] = {}
    for final in heard.finals:
        if final.result.state in ("ok", "changed"):
            key = (final.result.host, final.task_id)
            pairs[key] = pairs.get(key, False) or final.result.state == "changed"
    changed = sum(pairs.values())
    return Changes(update=changed, same=len(pairs) - changed)


def outputs_of(
    declared: Mapping[str, ValueType], heard: Heard
) -> tuple[dict[str, Value], tuple[str, ...]]:
    """(declared outputs, what is wrong with them) of a run's `set_stats`."""
    data = (heard.stats or {}).get("artifact_data") or {}
    outputs: dict[str, Value] = {}
    wrong: list[str] = []
    for name, type_ in declared.items():
        if name not in data:
            wrong.append(_missing(name, data))
        elif type_.is_secret and (name in heard.shown_stats or heard.stats_unseen):
            wrong.append(
                f"output '{name}' is declared {type_} but came from a `set_stats` task without "
                "no_log, which showed it: add `no_log: true` to that task"
            )
        elif reason := mismatch(data[name], type_):
            wrong.append(f"output '{name}' {_without_value(reason, type_)}")
        else:
            outputs[name] = Secret(data[name]) if type_.is_secret else data[name]
    return outputs, tuple(wrong)


def _succeeded(work: Work, heard: Heard, hosts: Mapping[str, str]) -> Outcome:
    outputs, wrong = outputs_of(work.outputs, heard)
    return Outcome(
        status=Status.FAILED if wrong else Status.SUCCEEDED,
        changes=changes_of(heard),
        outputs={} if wrong else outputs,
        failures=tuple(Failure(where=_playbook(work), what=text) for text in wrong),
        hosts=hosts,
        notes=tuple(_notes(heard)),
    )


def _with_advice(work: Work, failure: Failure) -> Failure:
    """ssh says only that a key is wrong or missing, not where ours are looked for."""
    if "host key verification failed" not in failure.what.lower():
        return failure
    policy = getattr(work.spec, "host_keys", HostKeys.PINNED)
    return replace(failure, what=f"{failure.what}\n{_KEY_ADVICE[policy]}")


_KEY_ADVICE = {
    HostKeys.PINNED: "host_keys is pinned: the key must be the inventory value's `host_key`, or "
    "stand in `known_hosts` beside hosts.yaml or in your own ~/.ssh/known_hosts",
    HostKeys.KNOWN_HOSTS: "host_keys is known_hosts: the key must stand in ~/.ssh/known_hosts",
    HostKeys.FIRST_USE: "host_keys is first_use: the host shows another key than the first time; "
    "if it was made anew, forget its old key in the store's cache (known_hosts)",
}


def _state(stats: Mapping[str, Mapping[str, int]], host: str) -> str:
    for name, state in (("dark", "unreachable"), ("failures", "failed"), ("changed", "changed")):
        if (stats.get(name) or {}).get(host):
            return state
    return "ok"


def _states_so_far(heard: Heard) -> dict[str, str]:
    worst = ("ok", "changed", "failed", "unreachable")
    states: dict[str, str] = {}
    for final in heard.finals:
        host, state = final.result.host, final.result.state
        old = states.setdefault(host, "ok")
        if state in worst and worst.index(state) > worst.index(old):
            states[host] = state
    return states


def _broken(work: Work, heard: Heard, code: int, place: Callable[[str], str]) -> Failure:
    """Without a recap nothing can have failed on a host: the playbook itself did not load."""
    lines = [line for line in heard.complaints if not line.startswith("[WARNING]")]
    first = next((i for i, line in enumerate(lines) if line.startswith(_ERRORS)), 0)
    lines = lines[first:]
    origin = next((m for line in lines if (m := _ORIGIN.match(line.strip()))), None)
    file = place(f"{origin['file']}:{origin['line']}") if origin else ""
    text = "\n".join(line for line in lines if not _ORIGIN.match(line.strip())).strip()
    return Failure(
        where=_playbook(work),
        what=text.replace("[ERROR]: ", "", 1) or f"ansible-playbook ended with code {code}",
        file=file,
    )


def _no_host(work: Work, heard: Heard, expected: Expected) -> Failure:
    patterns = dict.fromkeys(heard.unmatched or heard.patterns)
    asked = ", ".join(f"'{pattern}'" for pattern in patterns) or "its plays"
    limit = f" within limit '{_limit(work)}'" if _limit(work) else ""
    return Failure(
        where=_playbook(work),
        what=f"no host matched {asked}{limit}; groups: {_some(expected.groups)}; "
        f"hosts: {_some(expected.known)}",
    )


def _limit(work: Work) -> str:
    limit = getattr(work.spec, "limit", "")
    return ",".join(work.only_hosts) if work.only_hosts else str(limit or "")


def _some(names: Sequence[str], most: int = 20) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "none"


def _playbook(work: Work) -> str:
    return str(getattr(work.spec, "playbook", work.stage))


def _last_words(heard: Heard, code: int) -> str:
    errors = [line for line in heard.complaints if line.startswith(_ERRORS)]
    return errors[-1] if errors else f"ansible-playbook ended with code {code}"


def _cause(failures: Sequence[Failure]) -> Cause:
    gone = all(failure.cause is Cause.UNREACHABLE for failure in failures)
    return Cause.UNREACHABLE if gone else Cause.FAILED


def _notes(heard: Heard) -> Iterator[str]:
    for pattern in dict.fromkeys(heard.unmatched):
        yield f"a play matched no host: '{pattern}'"


def _missing(name: str, data: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, list(data), n=1)
    came = f"; the playbook set: {', '.join(sorted(data))}" if data else ""
    hint = f"; did you mean '{near[0]}'?" if near else came
    return (
        f"output '{name}' did not come: a task must set it, `set_stats: {{data: {{{name}: …}}}}`"
        f" (without per_host){hint}"
    )


def _without_value(reason: str, type_: ValueType) -> str:
    return f"must be a {type_}" if type_.is_secret else reason
