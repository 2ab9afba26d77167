"""How do the tests let several processes at one store?"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess

_CONTEXT = multiprocessing.get_context("fork")  # the imports are paid for once
LIMIT_S = 120.0


def started(count: int, work: Callable[[int], None]) -> list[BaseProcess]:
    """`count` forked processes, each at `work(its number)`."""
    processes: list[BaseProcess] = [
        _CONTEXT.Process(target=work, args=(number,)) for number in range(count)
    ]
    for process in processes:
        process.start()
    return processes


def all_ended_well(processes: list[BaseProcess]) -> bool:
    """Waits for them; whoever is still there at the limit is ended and counts as failed."""
    for process in processes:
        process.join(LIMIT_S)
    late = [process for process in processes if process.is_alive()]
    for process in late:
        process.kill()
        process.join()
    return not late and all(process.exitcode == 0 for process in processes)
