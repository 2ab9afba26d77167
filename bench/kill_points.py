"""How many named kill points are tried and survived? `python -m bench.kill_points [--jobs 2]`

At each point one process dies, then every process of the machine (but where there is no store yet).
What must be true is in tests/crash/truths.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.crash.killing import Grounds, killed
from tests.crash.recording import listed

Try = tuple[str, str, bool]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.kill_points")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    tries = [
        (scenario, point, everything)
        for scenario, point in listed()
        for everything in (False, True)
        if not (everything and scenario == "init")
    ]
    begun = time.perf_counter()
    with ProcessPoolExecutor(given.jobs) as pool:
        wrong = [why for part in pool.map(_tried, _parts(tries, given.jobs)) for why in part]
    for why in wrong:
        print(why)
    print(
        f"{len(listed())} named points ({len({s for s, _ in listed()})} commands): "
        f"{len(tries)} kills, {len(tries) - len(wrong)} survived, {len(wrong)} not, "
        f"in {time.perf_counter() - begun:.0f} s"
    )
    return 1 if wrong else 0


def _parts(tries: list[Try], jobs: int) -> list[list[Try]]:
    return [tries[start::jobs] for start in range(jobs)]


def _tried(tries: list[Try]) -> list[str]:
    """Why those that were not survived were not."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="killed-") as folder:
        grounds = Grounds(Path(folder))
        for scenario, point, everything in tries:
            try:
                killed(grounds[scenario], point, everything=everything)
            except AssertionError as error:
                how = "everything" if everything else "one process"
                wrong.append(f"{scenario}: {point} ({how}): {error}")
        for ground in grounds.values():
            ground.tiny.end()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
