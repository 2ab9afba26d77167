"""What does the scheduler itself cost, per stage and in all?

    python -m bench.scheduler

Walks runs of three shapes to their end, every stage succeeding the moment it is started. Aim
(design 9): <= 0.5 ms a stage, 10,000 stages < 5 s, < 100 MB.
"""

import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime

from orchestrator.core.moves import Began, Event, Finished, Start
from orchestrator.core.nodes import Node
from orchestrator.core.run_state import RunState
from orchestrator.core.scheduler import advance
from orchestrator.model.runs import Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def chain(count: int) -> tuple[Node, ...]:
    return tuple(Node(name=f"s{n}", needs=(f"s{n - 1}",) if n else ()) for n in range(count))


def fan(count: int) -> tuple[Node, ...]:
    first = Node(name="first")
    middle = tuple(Node(name=f"s{n}", needs=("first",)) for n in range(count - 2))
    return (first, *middle, Node(name="last", needs=tuple(node.name for node in middle)))


def layers(count: int, width: int = 100) -> tuple[Node, ...]:
    """Every stage needs three of the layer before it."""
    return tuple(
        Node(name=f"s{n}", needs=_three_before(n, width) if n >= width else ())
        for n in range(count)
    )


def _three_before(number: int, width: int) -> tuple[str, ...]:
    layer, place = divmod(number, width)
    before = (layer - 1) * width
    return tuple(f"s{before + (place + step) % width}" for step in (0, 7, 31))


def walk(nodes: tuple[Node, ...]) -> int:
    """How often advance was called: one end at a time, as a slow world would tell them."""
    state = RunState(nodes)
    waiting: list[Event] = [Began()]
    calls = 0
    while waiting:
        commands = advance(state, [waiting.pop()], NOW)
        calls += 1
        waiting.extend(
            Finished(stage=each.stage, attempt=each.attempt, status=Status.SUCCEEDED)
            for each in commands
            if isinstance(each, Start)
        )
    assert state.ended
    return calls


def main() -> None:
    shapes: tuple[tuple[str, int, Callable[[int], tuple[Node, ...]]], ...] = (
        ("chain", 1_000, chain),
        ("fan", 1_000, fan),
        ("layers, 3 needs each", 10_000, layers),
    )
    print(f"{'shape':24}{'stages':>8}{'calls':>8}{'total s':>10}{'ms/stage':>10}{'peak MB':>10}")
    for name, count, build in shapes:
        nodes = build(count)
        began = time.perf_counter()
        calls = walk(nodes)
        total = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        each = total / count * 1000
        print(f"{name:24}{count:8}{calls:8}{total:10.3f}{each:10.4f}{peak:10.1f}")


if __name__ == "__main__":
    main()
