"""Are we faster than the script a competent user writes? The reference project, both ways.

    .venv/bin/python -m bench.versus_script [rounds] [--warm-script] [--keep-said]

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
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

from bench.our_side import Ours
from bench.script_side import Script

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("orchestrator.yaml", "stacks", "playbooks", "inventories", "policies", "app")
GOALS = {"first": 0.8, "unchanged": 0.3, "unskipped": 0.8}
SCRIPTS, OURS = "10.66.71.0/24", "10.66.72.0/24"
WEB_COUNT = 2


def main(rounds: int = 3, *, warm_script: bool = False, said: bool = False) -> None:
    took: dict[tuple[str, str], list[float]] = {}
    with _world() as folder:
        env = _env(folder)
        script = Script(_checkout(folder / "script", SCRIPTS), folder / "s", env, warm=warm_script)
        ours = Ours(_checkout(folder / "ours", OURS), env)
        try:
            _configure(script)
            for number in range(rounds):
                sides = {"script": script.up, "ours": ours.up}
                if number % 2:
                    sides = dict(reversed(sides.items()))
                for case in GOALS:
                    if case == "unskipped":
                        ours.new_release()
                    for side, act in sides.items():
                        seconds = _timed(act)
                        took.setdefault((case, side), []).append(seconds)
                        load = os.getloadavg()[0]
                        print(f"  {case:10}{side:8}{seconds:7.2f} s  load {load:.1f}", flush=True)
                        if said and side == "ours":
                            print(ours.said)
                script.destroy()
                ours.destroy()
        finally:
            script.close()
    _print(took)


def _configure(script: Script) -> None:
    """Once before all counting: what the second stack is told is known from then on."""
    script.prepare({"network": {"cidr": SCRIPTS}})
    network = script.network()["network"]
    hosts = {"network": network, "cidr": SCRIPTS, "web_count": str(WEB_COUNT)}
    script.prepare({"hosts": hosts})
    script.destroy()


def _timed(act: Callable[[], None]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def _print(took: dict[tuple[str, str], list[float]]) -> None:
    print(f"{'case':12}{'script med/min s':>20}{'ours med/min s':>20}{'ratio med/min':>16}  goal")
    for case, goal in GOALS.items():
        theirs, ours = took[case, "script"], took[case, "ours"]
        words = [f"{median(t):.2f} / {min(t):.2f}" for t in (theirs, ours)]
        ratio = f"{median(ours) / median(theirs):.2f} / {min(ours) / min(theirs):.2f}"
        print(f"{case:12}{words[0]:>20}{words[1]:>20}{ratio:>16}  {goal}")


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
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    flags = {"warm_script": "--warm-script" in sys.argv, "said": "--keep-said" in sys.argv}
    main(*numbers, **flags)
