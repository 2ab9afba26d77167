"""How long until the first word? `--help`, `status`, and importing what they need.

    .venv/bin/python bench/startup.py [rounds]

Runs each command in turn, so that a busy machine is busy for all; prints minimum and median in
ms. Goals (design 9): `--help` < 150 ms, `status` < 500 ms.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ORCHESTRATOR = str(Path(sys.executable).with_name("orchestrator"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "--help": [ORCHESTRATOR, "--help"],
    "validate": [ORCHESTRATOR, "validate"],
    "status": [ORCHESTRATOR, "status"],
    "runs": [ORCHESTRATOR, "runs"],
}


def main(rounds: int = 11) -> None:
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):  # the first round warms the disk
        for name, argv in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run(argv, check=False, capture_output=True)
            took[name].append((time.perf_counter() - begun) * 1000)
    for name, times in took.items():
        counted = times[1:]
        print(f"{name:16} min {min(counted):6.0f} ms   median {median(counted):6.0f} ms")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
