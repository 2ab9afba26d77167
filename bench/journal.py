"""Does a replayed journal equal what the CLI writes itself? `python -m bench.journal [--seeds 40]`

Each seed is a program of its own, changed and carried out six times on both sides
(tests/pulumi/journal_runs.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.pulumi.journal_runs import compared


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.journal")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    done, wrong, begun = Counter[str](), 0, time.perf_counter()
    with ProcessPoolExecutor(given.jobs) as pool:
        for counts, problem in pool.map(_one, range(given.first, given.first + given.seeds)):
            done += counts
            if problem:
                wrong += 1
                print(problem, flush=True)
    for what, count in sorted(done.items()):
        print(f"{count:>5}  {what}")
    took = time.perf_counter() - begun
    print(f"{sum(done.values())} runs equal, {wrong} programs differ, in {took:.0f} s")
    return 1 if wrong else 0


def _one(seed: int) -> tuple[Counter[str], str]:
    with tempfile.TemporaryDirectory(prefix="journal-") as folder:
        try:
            return compared(seed, Path(folder) / "runs"), ""
        except AssertionError as error:
            return Counter(), str(error)


if __name__ == "__main__":
    sys.exit(main())
