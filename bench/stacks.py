"""What do states in the store cost, against the same stack in files?

    .venv/bin/python -m bench.stacks [pairs] [resources]

One stack, brought up unchanged by turns with `state: builtin` and with `state: file://` (seconds of
the stage; goal of issue 4: builtin <= 0.8 of file), then made once with many resources, with the
bytes that each leaves on disk.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.e2e.projects import CLI, PROJECT, Tiny, made, stage

PROGRAM = """\
import pulumi
class Thing(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("bench:index:Thing", name)
        self.register_outputs({{"text": name * 20}})
for number in range({count}):
    Thing(f"thing-{{number}}")
pulumi.export("count", {count})
"""
BACKENDS = ("builtin", "file")


def main(pairs: int = 15, resources: int = 1000) -> None:
    with tempfile.TemporaryDirectory() as name:
        small = {backend: _project(Path(name) / f"small-{backend}", 5) for backend in BACKENDS}
        took: dict[str, list[float]] = {backend: [] for backend in BACKENDS}
        for backend in BACKENDS:
            _up(small[backend])
        for _ in range(pairs):
            for backend in BACKENDS:
                took[backend].append(_up(small[backend]))
        ratios = [ours / theirs for ours, theirs in zip(*took.values(), strict=True)]
        medians = {backend: statistics.median(times) for backend, times in took.items()}
        print(
            f"unchanged up of one stack, {pairs} pairs: builtin {medians['builtin']:.2f} s, file "
            f"{medians['file']:.2f} s, ratio {statistics.median(ratios):.2f} (goal <= 0.8)"
        )
        for backend in BACKENDS:
            large = _project(Path(name) / f"large-{backend}", resources)
            seconds = _up(large)
            again = _up(large)
            print(
                f"{resources} resources, {backend}: made in {seconds:.1f} s, unchanged {again:.1f}"
                f" s, {_bytes(large) / 1e6:.1f} MB on disk"
            )


def _project(folder: Path, count: int) -> Tiny:
    folder.mkdir()
    tiny = made(folder)
    line = stage("site", {"pulumi": {"project": "stacks/site"}})
    tiny.write("orchestrator.yaml", f"{PROJECT.format(id=tiny.id, store='local')}stages:\n{line}")
    tiny.write("stacks/site/Pulumi.yaml", "name: site\nruntime: python\n")
    tiny.write("stacks/site/__main__.py", PROGRAM.format(count=count))
    if folder.name.endswith("file"):
        tiny.environment("dev", f"state: file://{tiny.world}\n")
    return tiny


def _up(tiny: Tiny) -> float:
    """Seconds of the stage."""
    said = subprocess.run(
        [*CLI, "--json", "up", "dev", "--yes"],
        cwd=tiny.root,
        env=tiny.variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise SystemExit(said.stdout + said.stderr)
    for line in said.stdout.splitlines():
        event = json.loads(line)
        if event.get("type") == "stage.finished":
            return float(event["seconds"])
    raise SystemExit(said.stdout)


def _bytes(tiny: Tiny) -> int:
    """Of the database with its log, or of the folder of states."""
    files = list(tiny.world.rglob("*")) or list(tiny.store.glob("orchestrator.db*"))
    return sum(path.stat().st_size for path in files if path.is_file())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
