"""How does a forked process become what `python -u script …` would be?"""

from __future__ import annotations

import atexit
import io
import os
import runpy
import signal
import site
import sys
import sysconfig
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from orchestrator.procs import given_umask


def become(order: Mapping[str, Any], out: int, err: int) -> NoReturn:
    """Runs the order's script as the main program and exits with its code. Never returns."""
    code = 70
    try:
        os.setsid()
        if given_umask() >= 0:
            os.umask(given_umask())
        _streams(out, err)
        _surroundings(order)
        _forget(Path(order["directory"]))
        code = _run(order["argv"])
    except BaseException:  # noqa: BLE001  # a forked process must never return into its caller
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _streams(out: int, err: int) -> None:
    """Standard streams on the given pipes, unbuffered as under -u; nothing else is open."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, 1 << 20)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # lives as long as we do
    sys.stdout = _unbuffered(1, "surrogateescape")
    sys.stderr = _unbuffered(2, "backslashreplace")


def _unbuffered(descriptor: int, errors: str) -> io.TextIOWrapper:
    raw = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115  # lives as we do
    return io.TextIOWrapper(raw, encoding="utf-8", errors=errors, write_through=True)


def _surroundings(order: Mapping[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["directory"])
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    sys.argv = list(order["argv"])
    sys.path[:] = [os.path.dirname(order["argv"][0]), *_library_path()]
    sys.dont_write_bytecode = True  # the release's tree stays as it is
    atexit._clear()  # what the parent wants done at its end is not ours to do


def _library_path() -> list[str]:
    """sys.path without what the parent's own way of starting put first."""
    paths = sysconfig.get_paths()
    known = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    known.update(site.getsitepackages())
    head = 0 if sys.path and sys.path[0] in known else 1
    return [entry for entry in sys.path[head:] if entry]


def _forget(program: Path) -> None:
    """Modules of our own, and any that a file of the program would hide, are imported afresh.

    Not those that the exec script imports first itself: there the script wins as well.
    """
    local = {entry.stem for entry in program.iterdir() if entry.suffix == ".py" or entry.is_dir()}
    gone = {"orchestrator", *local} - {"pulumi", "grpc", "google"} - set(sys.stdlib_module_names)
    for name in list(sys.modules):
        if name.partition(".")[0] in gone:
            del sys.modules[name]


def _run(argv: list[str]) -> int:
    code = 0
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException:  # noqa: BLE001  # as the interpreter does at its outermost level
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # what an interpreter does at its end:
    atexit._run_exitfuncs()  # join the threads, then call what was registered
    return code


def _exit_code(end: SystemExit) -> int:
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    print(end.code, file=sys.stderr)
    return 1
