"""One point: a process dies there, then what a user would type. Is all well again?"""

from __future__ import annotations

from pathlib import Path

from tests.crash import truths
from tests.crash.scenarios import SCENARIOS, Ground


class Grounds(dict[str, Ground]):
    """The scenarios' projects; each is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, name: str) -> Ground:
        ground = Ground(scenario=SCENARIOS[name], folder=self._folder / name)
        ground.make()
        self[name] = ground
        return ground


def killed(ground: Ground, point: str, *, everything: bool) -> None:
    """One process dies at the point, or every one of the machine; then the run is taken up again.

    Raises AssertionError naming what is not as it must be, or that the point is not reached.
    """
    ground.reset()
    answer = ground.die(ground.scenario.act, point, everything=everything)
    _made_store(ground)
    truths.nothing_twice(ground)
    _taken_up(ground)
    truths.nothing_twice(ground)
    attempts_died = everything or point.startswith("attempt")
    truths.lost_only_where_it_died(ground, attempts_died=attempts_died)
    truths.succeeded_is_done(ground)
    truths.said_is_recorded(ground, answer)
    _made_well(ground)
    truths.as_wanted(ground)
    truths.nothing_is_left(ground)


def _taken_up(ground: Ground) -> None:
    """A run that has not ended is followed to its end, as `orchestrator up` says one should."""
    for number, _ in _runs(ground, "ended_at is null"):
        ground.ask("wait", f"dev#{number}")
    assert _runs(ground, "ended_at is null") == []


def _made_well(ground: Ground) -> None:
    """A run that did not succeed is tried again by a person; an act that never began, anew."""
    if not ground.scenario.runs:
        ground.ask(*ground.scenario.act)  # it may say that this is so already
        return
    for _ in range(3):
        newest = _runs(ground, "1 order by number desc limit 1")
        if newest and newest[0][1] != "succeeded":
            answer = ground.ask("retry", f"dev#{newest[0][0]}", *_words(ground, newest[0][0]))
        elif not newest or (newest[0][0] <= ground.runs_before and ground.scenario.is_new):
            answer = ground.ask(*ground.scenario.act)
        else:
            return
        assert answer.code in (0, 4), answer.all
    raise AssertionError("it does not come to an end")


def _words(ground: Ground, number: int) -> list[str]:
    """What a person says who has looked: of all but Pulumi's stages, whose state tells."""
    lost = ground.tiny.rows(
        "select stage from stages s join runs r on r.id = s.run_id where s.status = 'lost' "
        f"and s.kind in ('command', 'ansible') and r.number = {number}"
    )
    return [word for (stage,) in lost for word in ("--lost", f"{stage}=again")]


def _made_store(ground: Ground) -> None:
    """Where making the store was what was killed."""
    if not ground.scenario.init:
        answer = ground.ask("store", "init")
        assert answer.code == 0, answer.all


def _runs(ground: Ground, which: str) -> list[tuple[int, str]]:
    return [
        (int(n), str(s))
        for n, s in ground.tiny.rows(f"select number, status from runs where {which}")
    ]
