"""The long haul: many seeds, on several processors.

.venv/bin/python -m tests.simulation --seeds 10000 --jobs 2 [--from 0]
.venv/bin/python -m tests.simulation --seed 4711            # one, with its story
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter

from tests.simulation.story import told


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.simulation")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int)
    given = parser.parse_args()
    if given.seed is not None:
        ending = told(given.seed)
        print("\n".join(ending.trace.lines))
        print(f"seed {given.seed}: {ending.wrong or 'nothing is wrong'}  {ending.trace.digest}")
        return 1 if ending.wrong else 0
    return _many(range(given.first, given.first + given.seeds), given.jobs)


def _many(seeds: range, jobs: int) -> int:
    begun = time.perf_counter()
    attempts, kills, passed, wrong = 0, 0, Counter[str](), 0
    with multiprocessing.Pool(jobs) as pool:
        for seed, problem, count, killed, boundaries in pool.imap_unordered(_one, seeds, 16):
            attempts, kills = attempts + count, kills + killed
            passed += boundaries
            if problem:
                wrong += 1
                print(f"seed {seed}: {problem}", flush=True)
    took = time.perf_counter() - begun
    print(
        f"{len(seeds)} seeds in {took:.0f} s ({len(seeds) / took:.0f} / s): {attempts} attempts, "
        f"{sum(passed.values())} boundaries passed, {kills} controllers killed; {wrong} wrong"
    )
    return 1 if wrong else 0


def _one(seed: int) -> tuple[int, str, int, int, Counter[str]]:
    ending = told(seed)
    killed = sum(ending.kills.values())
    return seed, ending.wrong, ending.attempts, killed, ending.passed


if __name__ == "__main__":
    sys.exit(main())
