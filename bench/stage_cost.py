"""What does a stage cost besides its tool?

    .venv/bin/python bench/stage_cost.py [stages]

A chain of command stages that run `true`: the run's wall time less the import and snapshot before
the first stage, divided by the stages; and what starting `true` alone costs. Goal (design 9): our
own cost per stage <= 50 ms.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

ORCHESTRATOR = str(Path(sys.executable).with_name("orchestrator"))
HEAD = """apiVersion: orchestrator/v1
kind: Project
id: stage-cost
---
apiVersion: orchestrator/v1
kind: Pipeline
name: chain
stages:
"""


def main(stages: int = 40) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        env = {**os.environ, "XDG_STATE_HOME": str(root / "state")}
        _project(root / "project", stages)
        _orchestrator(root / "project", env, "store", "init")
        begun = time.perf_counter()
        told = _orchestrator(root / "project", env, "--json", "up", "dev", "--yes")
        wall = time.perf_counter() - begun
        events = [json.loads(line) for line in told.splitlines()]
        starts = [_at(e) for e in events if e["type"] == "stage.started"]
        ends = [_at(e) for e in events if e["type"] == "stage.finished"]
        walk = (max(ends) - min(starts)).total_seconds()
        alone = _alone()
        cost = walk / stages * 1000 - alone
        print(f"{stages} stages: up {wall:.2f} s, of it the walk {walk:.2f} s")
        print(f"a stage {walk / stages * 1000:.1f} ms, `true` alone {alone:.1f} ms")
        print(f"our cost per stage {cost:.1f} ms (goal <= 50)")


def _project(root: Path, stages: int) -> None:
    (root / "inventories/dev").mkdir(parents=True)
    lines = [HEAD]
    for number in range(stages):
        needs = f", needs: [s{number - 1}]" if number else ""
        lines.append(f"  s{number}: {{ command: ['true']{needs} }}\n")
    (root / "orchestrator.yaml").write_text("".join(lines))
    (root / "inventories/dev/environment.yaml").write_text(
        "apiVersion: orchestrator/v1\nkind: Environment\nname: dev\n"
    )


def _orchestrator(root: Path, env: dict[str, str], *words: str) -> str:
    argv = [ORCHESTRATOR, "-C", str(root), *words]
    return subprocess.run(argv, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def _alone(rounds: int = 20) -> float:
    begun = time.perf_counter()
    for _ in range(rounds):
        subprocess.run(["true"], check=True)
    return (time.perf_counter() - begun) / rounds * 1000


def _at(event: dict[str, str]) -> datetime:
    return datetime.fromisoformat(event["at"])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
