"""Are we faster than the script a competent user writes? The reference project, both ways.

    .venv/bin/python -m bench.versus_script [rounds] [case …] [--warm-script]

Needs what `make up` needs: root, the Pulumi CLI, the light hosts' image. Everything lies in a
temporary folder, in sites of its own, and is gone afterwards. In each round both sides go through
the cases in turn, the first one changing from round to round:

first        nothing is there yet (the destroy between rounds is not counted)
unchanged    once more: the script looks at all again, we skip what is proved unchanged
unskipped    a new release that changes nothing on the hosts: no stage may be skipped

Goals (design 9), our time by the script's: first <= 0.8, unchanged <= 0.3, unskipped <= 0.8.
`--warm-script` hands the script our warm start of Python programs as well.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.cpu import Meter
from bench.our_side import Ours
from bench.script_side import Script

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("orchestrator.yaml", "stacks", "playbooks", "inventories", "policies", "app")
GOALS = {"first": 0.8, "unchanged": 0.3, "unskipped": 0.8}
CASES = tuple(GOALS)
SCRIPTS, OURS = "10.66.71.0/24", "10.66.72.0/24"
WEB_COUNT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What one case cost one side, in seconds of wall, of CPU here, and of CPU on its hosts."""

    wall: float
    cpu: float
    hosts: float


def main(rounds: int = 3, *, warm_script: bool = False, cases: tuple[str, ...] = CASES) -> None:
    took: dict[tuple[str, str], list[Took]] = {}
    with _world() as folder:
        env = _env(folder)
        script = Script(_checkout(folder / "script", SCRIPTS), folder / "s", env, warm=warm_script)
        ours = Ours(_checkout(folder / "ours", OURS), env)
        try:
            _configure(script)
            for number in range(rounds):
                _round(
                    number, {"script": script.up, "ours": ours.up}, ours, cases, took, folder / "lh"
                )
                script.destroy()
                ours.destroy()
        finally:
            script.close()
    _print(took)


def _round(
    number: int,
    sides: dict[str, Callable[[], None]],
    ours: Ours,
    cases: tuple[str, ...],
    took: dict[tuple[str, str], list[Took]],
    lighthosts: Path,
) -> None:
    order = sides.items() if number % 2 == 0 else reversed(sides.items())
    sides = dict(order)
    for case in CASES:
        if case not in cases and case != "first":
            continue
        if case == "unskipped":
            ours.new_release()
        for side, act in sides.items():
            one = _timed(side, act, lighthosts)
            took.setdefault((case, side), []).append(one)
            print(
                f"  {case:10}{side:8}{one.wall:7.2f} s   CPU {one.cpu:6.2f} s"
                f"   hosts {one.hosts:6.2f} s   load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
            if side == "ours":
                print(f"             {ours.said.splitlines()[0]}", flush=True)


def _configure(script: Script) -> None:
    """Once before all counting: what the second stack is told is known from then on."""
    script.prepare({"network": {"cidr": SCRIPTS}})
    network = script.network()["network"]
    hosts = {"network": network, "cidr": SCRIPTS, "web_count": str(WEB_COUNT)}
    script.prepare({"hosts": hosts})
    script.destroy()


def _timed(side: str, act: Callable[[], None], lighthosts: Path) -> Took:
    meter = Meter(side)
    try:
        with meter.inside():
            hosts, cpu = meter.hosts(lighthosts), meter.controller()
            begun = time.perf_counter()
            act()
            wall = time.perf_counter() - begun
        return Took(wall=wall, cpu=meter.controller() - cpu, hosts=meter.hosts(lighthosts) - hosts)
    finally:
        meter.close()


def _print(took: dict[tuple[str, str], list[Took]]) -> None:
    print(f"{'wall, s':12}{'script med/min':>18}{'ours med/min':>18}{'ratio med/min':>16}  goal")
    for case, goal in GOALS.items():
        if (case, "ours") in took:
            theirs, ours = ([one.wall for one in took[case, side]] for side in ("script", "ours"))
            words = [f"{median(t):.2f} / {min(t):.2f}" for t in (theirs, ours)]
            ratio = f"{median(ours) / median(theirs):.2f} / {min(ours) / min(theirs):.2f}"
            print(f"{case:12}{words[0]:>18}{words[1]:>18}{ratio:>16}  {goal}")


@contextmanager
def _world() -> Iterator[Path]:
    """A folder in which everything lies; nothing of it lives on."""
    folder = Path(tempfile.mkdtemp(prefix="versus-"))
    try:
        yield folder
    finally:
        hosts = [sys.executable, "-m", "orchestrator.lighthosts"]
        told = subprocess.run(
            [*hosts, "list"],
            cwd=ROOT,
            env=_env(folder),
            capture_output=True,
            text=True,
            check=False,
        )
        sites = [line.split()[0] for line in told.stdout.splitlines() if line[:1].strip()]
        if sites:
            subprocess.run([*hosts, "destroy", *sites], cwd=ROOT, env=_env(folder), check=False)
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)


def _env(folder: Path) -> dict[str, str]:
    """Both sides' environment: ours, with the state in the folder."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "ANSIBLE_"))}
    if "PULUMI_HOME" in os.environ:
        kept["PULUMI_HOME"] = os.environ["PULUMI_HOME"]
    state = {"XDG_STATE_HOME": str(folder / "state"), "LIGHTHOSTS_DIR": str(folder / "lh")}
    return kept | state


def _checkout(folder: Path, cidr: str) -> Path:
    """A copy of the reference project whose dev environment has that network."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "molecule", "Pulumi.*.yaml")
            shutil.copytree(source, folder / part, ignore=ignored)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / part)
    environment = folder / "inventories/dev/environment.yaml"
    environment.write_text(environment.read_text().replace("10.66.10.0/24", cidr))
    assert cidr in environment.read_text()
    return folder


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all is taken away
    words = sys.argv[1:]
    main(
        *[int(word) for word in words if word.isdigit()],
        warm_script="--warm-script" in words,
        cases=tuple(word for word in words if word in CASES) or CASES,
    )
