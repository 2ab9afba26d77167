"""What is to become of a stage of which nobody knows what it did? As far as that can be proved.

Pulumi's state holds what was begun: a refresh finds out. A playbook whose recap came is done. Else
a person has to look, and to say so: an unknown outcome is never repeated blindly (design 8).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from orchestrator.model.definitions import Pipeline, Stage, StageKind
from orchestrator.model.errors import Refused, UsageError
from orchestrator.model.events import Recorded
from orchestrator.model.runs import Run, StageRun, Status
from orchestrator.model.stacks import StackName
from orchestrator.model.values import Json
from orchestrator.ports import Transaction
from orchestrator.services.app import App

_SHOWN = 5  # names


class Way(Enum):
    """How a lost stage is settled."""

    REFRESH = "refresh"  # the next attempt looks first, and takes in what it finds
    AGAIN = "again"
    DONE = "done"
    PERSON = "person"  # nothing proves it


_WORDS = {
    Way.REFRESH: "a refresh settles it",
    Way.AGAIN: "it is done again",
    Way.DONE: "it counts as done",
    Way.PERSON: "only a person can know",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """of: the stage. why: what proves it, or who said so."""

    stage: str
    way: Way
    why: str

    @property
    def text(self) -> str:
        return f"{_WORDS[self.way]}: {self.why}"

    def body(self) -> dict[str, Json]:
        return {"stage": self.stage, "way": self.way.value, "why": self.why, "text": self.text}


def settlements(
    app: App,
    run: Run,
    pipeline: Pipeline,
    stages: Sequence[StageRun],
    words: Mapping[str, str] | None = None,
) -> tuple[Settlement, ...]:
    """One for each lost stage, in the run's order.

    words: what a person says of stages: again or done. Raises UsageError for a stage that is not
    lost, Refused where `done` cannot be.
    """
    said = dict(words or {})
    lost = [stage for stage in stages if stage.status is Status.LOST]
    strange = sorted(said.keys() - {stage.stage for stage in lost})
    if strange:
        names = ", ".join(stage.stage for stage in lost) or "none"
        raise UsageError(f"{', '.join(strange)} is not lost; stages that are: {names}.")
    with app.store.read() as tx:
        return tuple(
            _said(app, pipeline.stages[stage.stage], said[stage.stage])
            if stage.stage in said
            else _proved(tx, run, pipeline.stages[stage.stage], stage)
            for stage in lost
        )


def must_be_settled(found: Sequence[Settlement], command: str) -> None:
    """Raises Refused where a person has to say something first. command: what they typed."""
    open_ = [each for each in found if each.way is Way.PERSON]
    if open_:
        lines = "; ".join(f"{each.stage}: {each.why}" for each in open_)
        words = " ".join(f"--lost {each.stage}=again" for each in open_)
        raise Refused(
            f"nobody knows what became of {lines}.",
            holds="Nothing was started.",
            next=f"Look there, then say it: {command} {words}   (or =done)",
        )


def _said(app: App, stage: Stage, word: str) -> Settlement:
    who = app.actor.partition(" pid ")[0]
    if word == Way.DONE.value and stage.kind is StageKind.PULUMI:
        raise Refused(
            f"whether {stage.name} is done is for its state to say.",
            holds="Nothing was started.",
            next="Leave it out: a refresh finds out.",
        )
    if word == Way.DONE.value and stage.outputs:
        names = ", ".join(stage.outputs)
        raise Refused(
            f"{stage.name} hands on {names}, which nobody has: it cannot count as done.",
            holds="Nothing was started.",
            next=f"Say --lost {stage.name}=again.",
        )
    return Settlement(stage=stage.name, way=Way(word), why=f"{who} said so")


def _proved(tx: Transaction, run: Run, stage: Stage, was: StageRun) -> Settlement:
    if stage.kind is StageKind.PULUMI:
        return Settlement(stage=stage.name, way=Way.REFRESH, why=_unfinished(tx, run, stage))
    if stage.kind is StageKind.CHECK:
        return Settlement(stage=stage.name, way=Way.AGAIN, why="it only looks")
    told = _told(tx, run, was)
    if stage.kind is StageKind.ANSIBLE:
        return _by_recap(stage, told)
    last = next((str(each.body.get("text", "")) for each in reversed(told)), "")
    why = f"the last it told: {last[:200]}" if last else "it told nothing"
    return Settlement(stage=stage.name, way=Way.PERSON, why=why)


def _told(tx: Transaction, run: Run, was: StageRun) -> list[Recorded]:
    """All that its last attempt told."""
    told: list[Recorded] = []
    while more := tx.recorded(
        run.key, stage=was.stage, attempt=was.attempts, after=told[-1].id if told else 0
    ):
        told += more
    return told


def _unfinished(tx: Transaction, run: Run, stage: Stage) -> str:
    """What the store's state of the stack says was begun; of states elsewhere it is read later."""
    for stack in tx.stacks():
        mine = (stack.pipeline, stack.environment) == (run.key.pipeline, run.key.environment)
        wrote = any(v.stage == stage.name for v in tx.stack_versions(stack.name, limit=20))
        if mine and wrote:
            return _pending(tx, stack.name)
    return "its next attempt refreshes, and takes in what was made"


def _pending(tx: Transaction, name: StackName) -> str:
    content = tx.deployment(name)
    body = json.loads(content)["deployment"] if content else {}
    begun = [
        f"{each.get('type', '?')} {str(each['resource']['urn']).rpartition('::')[2]}"
        for each in body.get("pending_operations") or ()
        if each.get("resource", {}).get("custom")
    ]
    if not begun:
        return f"no operation of the stack {name} is open: the next attempt goes on from its state"
    more = f" and {len(begun) - _SHOWN} more" if len(begun) > _SHOWN else ""
    return (
        f"open in the stack {name}: {', '.join(begun[:_SHOWN])}{more}; the next attempt looks for "
        "them first: what exists is taken in, what does not is made, and nothing is made twice"
    )


def _by_recap(stage: Stage, told: Sequence[Recorded]) -> Settlement:
    recap = {str(e.body["host"]): str(e.body["state"]) for e in told if e.type == "host"}
    bad = sorted(host for host, state in recap.items() if state not in ("ok", "changed"))
    if recap and not bad and not stage.outputs:
        why = f"its recap came: {len(recap)} hosts, none failed"
        return Settlement(stage=stage.name, way=Way.DONE, why=why)
    return Settlement(stage=stage.name, way=Way.PERSON, why=_how_far(told))


def _how_far(told: Sequence[Recorded]) -> str:
    """The task that was under way, and which hosts had ended it."""
    started = [each for each in told if each.type == "task"]
    if not started:
        return "it had begun no task" if told else "it told nothing"
    last = started[-1]
    done = [
        str(each.body["host"])
        for each in told
        if each.type == "result" and each.sequence > last.sequence
    ]
    hosts = sorted({str(each.body["host"]) for each in told if each.type == "result"})
    open_ = [host for host in hosts if host not in done]
    said = f"it was in task {last.body.get('number')}, '{last.body.get('task')}'"
    ended = f", ended on {_names(done)}" if done else ""
    return f"{said}{ended}" + (f", not told of {_names(open_)}" if open_ else "")


def _names(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - _SHOWN} more" if len(hosts) > _SHOWN else ""
    return ", ".join(hosts[:_SHOWN]) + more
