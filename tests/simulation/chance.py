"""What does a seed decide? Everything that is left to chance, in one stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Chance, the same for the same seed in every process. Never asked in the order of a set."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # an int: its hash is its own, PYTHONHASHSEED has no say

    def one_in(self, number: float) -> bool:
        """True once in so many throws; never for 0."""
        return bool(number) and self._random.random() * number < 1

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def seconds(self, low: float, high: float) -> float:
        return round(self._random.uniform(low, high), 3)

    def of(self, choices: Sequence[T]) -> T:
        return choices[int(self._random.random() * len(choices))]

    def weighed(self, choices: Sequence[tuple[int, T]]) -> T:
        """One of the things, each as often as its weight says."""
        left = self._random.random() * sum(weight for weight, _ in choices)
        for weight, choice in choices:
            left -= weight
            if left < 0:
                return choice
        return choices[-1][1]

    def some(self, things: Sequence[T], *, most: int) -> tuple[T, ...]:
        """A few of the things, in the order given."""
        count = self.number(0, min(most, len(things)))
        chosen = sorted(self._random.sample(range(len(things)), count))
        return tuple(things[place] for place in chosen)

    def shuffled(self, things: Sequence[T]) -> list[T]:
        mixed = list(things)
        self._random.shuffle(mixed)
        return mixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """How bad the world of one seed is. Numbers: once in so many; 0 is never."""

    crash: float  # at each boundary: the controller dies there
    stall: float  # at each boundary: the others go on meanwhile
    store: float  # at each write: the database does not answer
    parent: float  # at each start: the parent of attempts dies, before or after it forked
    hint: float  # at each hint: it is lost
    death: float  # of each attempt: it dies somewhere on its way
    failure: float  # of each attempt: it fails
    acts: int  # commands that people give, besides the first
    machines: int
    breaks: bool  # people break leases
    holds: bool = False  # people hold environments, and queue
    trouble: int = 0  # how often a machine stands still, is cut off, or loses its power


def mood(dice: Dice) -> Mood:
    """Calm worlds show what must come out to the letter; bad ones show what must never happen."""
    calm = dice.one_in(6)
    if calm:
        return Mood(
            crash=0,
            stall=dice.of((0, 10)),
            store=0,
            parent=0,
            hint=dice.of((0, 3)),
            death=0,
            failure=dice.of((0, 3)),
            acts=dice.number(0, 2),
            machines=1,
            breaks=False,
        )
    return Mood(
        crash=dice.of((0, 200, 60, 25, 12)),
        stall=dice.of((0, 40, 10, 4)),
        store=dice.of((0, 0, 0, 60)),
        parent=dice.of((0, 0, 12)),
        hint=dice.of((0, 3, 1.5)),
        death=dice.of((0, 0, 12, 4)),
        failure=dice.of((0, 12, 4)),
        acts=dice.number(0, 6),
        machines=dice.of((1, 1, 2)),
        breaks=dice.one_in(4),
        holds=dice.one_in(3),
        trouble=dice.of((0, 1, 2, 3)),
    )
