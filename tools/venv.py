"""Is .venv what the locks say, and if not, how is it made so?

python3.11 tools/venv.py      (the Makefile's first step; runs on a bare Python, nothing installed)

Everything is installed from requirements/*.txt by hash. What was done is kept as digests in a stamp
inside .venv, so that with nothing changed this is over in a moment.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
OLDEST = (3, 11)
STAMP = ".orchestrator-stamp.json"


def main() -> int:
    """Brings .venv up to date; 1 and a sentence on standard error where it cannot."""
    if sys.version_info[:2] < OLDEST:
        print(f"Python {sys.version.split()[0]} is too old, needed is 3.11 or newer: ", end="")
        print("make setup PYTHON=/path/to/python3.11")
        return 1
    try:
        with open(__file__) as lock:  # two makes at once: the second waits, and finds it done
            fcntl.flock(lock, fcntl.LOCK_EX)
            bring_up_to_date(CHECKOUT)
    except subprocess.CalledProcessError as why:
        print(f"'{' '.join(map(str, why.cmd))}' ended with {why.returncode}:\n{why.output}")
        return 1
    except NoVenvModule as why:
        print(why)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here")
        return 130
    return 0


class NoVenvModule(Exception):
    """This Python cannot make a virtual environment (Debian packs that apart)."""

    def __init__(self) -> None:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        super().__init__(
            f"{sys.executable} lacks the module venv or ensurepip. "
            f"As root: apt-get update && apt-get install -y {package}"
        )


def wanted_digests(checkout: Path, python: str) -> dict[str, str]:
    """What .venv must be made from, part by part: interpreter, locks, our own entry points."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())
    locks = [checkout / "requirements" / name for name in ("bootstrap.txt", "dev.txt")]
    return {
        "python": _digest(python.encode()),
        "locks": _digest(*(lock.read_bytes() for lock in locks)),
        "project": _digest(
            json.dumps([project["project"], project["build-system"]], sort_keys=True).encode(),
            str(checkout).encode(),  # an editable install points here
        ),
    }


def stamped(venv: Path) -> dict[str, str]:
    """What was done in this .venv up to now; nothing if it was never finished or is not there."""
    try:
        kept = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    whole = isinstance(kept, dict) and (venv / "bin" / "python").exists()
    return {str(part): str(digest) for part, digest in kept.items()} if whole else {}


def bring_up_to_date(checkout: Path) -> None:
    """Does what the stamp does not vouch for, in order; the stamp grows after each step."""
    venv = checkout / ".venv"
    wanted = wanted_digests(checkout, f"{sys.version} {os.path.realpath(sys.executable)}")
    done = stamped(venv)
    steps: dict[str, tuple[str, Callable[[], None]]] = {
        "python": (f".venv with Python {sys.version.split()[0]}", lambda: _make(venv)),
        "locks": ("packages, by hash", lambda: _sync(venv, checkout)),
        "project": ("orchestrator, editable", lambda: _install_project(venv, checkout)),
    }
    for part, (name, act) in steps.items():
        if done.get(part) == wanted[part]:
            continue
        begun = time.monotonic()
        act()
        # A new interpreter voids all that was installed under the old one.
        done = {part: wanted[part]} if part == "python" else {**done, part: wanted[part]}
        _write_stamp(venv, done)
        print(f"{name}: done in {time.monotonic() - begun:.1f} s", flush=True)


def _make(venv: Path) -> None:
    _need_venv_module()
    shutil.rmtree(venv, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(venv)])


def _sync(venv: Path, checkout: Path) -> None:
    python = str(venv / "bin" / "python")
    locks = checkout / "requirements"
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "install", "-q", "--require-hashes", "-r", str(locks / "bootstrap.txt")])
    sync = [*_uv(venv), "sync", "-q", "--require-hashes", "--compile-bytecode"]
    _run([*sync, str(locks / "dev.txt")], env=_as_pip(pip))


def _install_project(venv: Path, checkout: Path) -> None:
    install = [*_uv(venv), "install", "-q", "--no-build-isolation", "--no-deps"]
    _run([*install, "-e", str(checkout)])
    _run([str(venv / "bin" / "python"), "-m", "compileall", "-q", str(checkout / "orchestrator")])


def _uv(venv: Path) -> list[str]:
    return [str(venv / "bin" / "uv"), "pip"]


def _as_pip(pip: list[str]) -> Mapping[str, str]:
    """Our environment, with pip's configured index and certificates in uv's own words.

    uv does not read pip's configuration: behind a mirror it would try to reach what it cannot.
    """
    said = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False)
    pairs = (line.partition("=") for line in said.stdout.splitlines())
    configured = {name.split(".")[-1]: value.strip("'\"") for name, _, value in pairs}
    words = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    told = {words[name]: value for name, value in configured.items() if name in words}
    return {**told, **os.environ}


def _need_venv_module() -> None:
    """Debian's python3 comes without: installs it as root, else says the command."""
    if _has_venv_module():
        return
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise NoVenvModule
    begun = time.monotonic()
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    _run([apt, "update", "-q"], env=quiet)
    _run([apt, "install", "-y", "-q", "--no-install-recommends", package], env=quiet)
    print(f"Debian package {package}: done in {time.monotonic() - begun:.1f} s", flush=True)
    if not _has_venv_module():
        raise NoVenvModule


def _has_venv_module() -> bool:
    asked = [sys.executable, "-c", "import ensurepip, venv"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def _run(command: list[str], env: Mapping[str, str] | None = None) -> None:
    subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )


def _write_stamp(venv: Path, done: Mapping[str, str]) -> None:
    new = venv / f"{STAMP}.new"
    new.write_text(json.dumps(done, indent=1))
    os.replace(new, venv / STAMP)


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
