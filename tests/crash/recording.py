"""Which points does a scenario pass? Those that every one of several recordings has."""

from collections import Counter
from functools import reduce
from pathlib import Path

from tests.crash import arming
from tests.crash.scenarios import SCENARIOS, Ground

POINTS = Path(__file__).parent / "points.txt"


def recorded(ground: Ground, times: int = 2) -> list[str]:
    """The points of the scenario in the order in which the first recording passed them."""
    logs: list[list[str]] = []
    for number in range(times):
        ground.reset()
        log = ground.folder / f"passed-{number}"
        log.unlink(missing_ok=True)
        answer = ground.armed(ground.scenario.act, {arming.LOG: str(log)})
        assert answer.code == 0, answer.all
        logs.append(log.read_text().splitlines())
    steady = reduce(lambda a, b: a & b, (set(log) for log in logs))
    return [point for point in dict.fromkeys(logs[0]) if point in steady]


def chosen(folder: Path) -> list[str]:
    """`SCENARIO: POINT` lines: each name in the cheapest scenario that passes it.

    What is passed three times and more is also tried in the middle.
    """
    known: set[str] = set()
    first: set[tuple[str, str]] = set()
    lines: list[str] = []
    for name, scenario in SCENARIOS.items():
        ground = Ground(scenario=scenario, folder=folder / name)
        ground.make()
        points = recorded(ground)
        times = Counter(_name(point) for point in points)
        for point in points:
            what, number = _name(point), int(point.rpartition("#")[2])
            is_middle = number > 1 and number == (times[what] + 1) // 2
            if (number == 1 and what not in known) or (is_middle and (name, what) in first):
                lines.append(f"{name}: {point}")
            if what not in known:
                known.add(what)
                first.add((name, what))
    return lines


def _name(point: str) -> str:
    """Without its number, and without the stage's name where it is an attempt's."""
    what = point.rpartition(" #")[0]
    role, _, rest = what.partition(" ")
    return f"{role} {rest.partition(' ')[2]}" if role == "attempt" else what


def listed() -> list[tuple[str, str]]:
    """(scenario, point) of the committed list."""
    lines = POINTS.read_text().splitlines()
    return [(line.partition(": ")[0], line.partition(": ")[2]) for line in lines]
