"""How are a process's events heard while they happen, without a file that keeps its secrets?

Through a FIFO: the log holds debug lines with secrets in clear, which so never touch a disk.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PIECE = 1 << 16
_END = b"\n\x00end\n"  # no JSON line looks like it


@contextmanager
def listening(path: Path, on_line: Callable[[str], None]) -> Iterator[None]:
    """Every line written to the FIFO at `path` is handed on, in order, in a thread of its own.

    At the block's end everything that was written before has been heard, and the FIFO is gone.
    """
    os.mkfifo(path, 0o600)
    descriptor = os.open(path, os.O_RDWR)  # also for writing: it never ends, nor blocks at opening
    problems: list[Exception] = []
    thread = threading.Thread(
        target=_read, args=(descriptor, on_line, problems), name="pulumi events", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        os.write(descriptor, _END)
        thread.join()
        os.close(descriptor)
        with suppress(FileNotFoundError):
            path.unlink()
    if problems:
        raise problems[0]


def _read(descriptor: int, on_line: Callable[[str], None], problems: list[Exception]) -> None:
    rest = bytearray()
    while True:
        rest += os.read(descriptor, PIECE)
        if b"\n" not in rest:
            continue
        whole, _, tail = bytes(rest).rpartition(b"\n")
        rest = bytearray(tail)
        for line in whole.split(b"\n"):
            if line == _END.strip(b"\n"):
                return
            try:
                on_line(line.decode("utf-8", errors="replace"))
            except Exception as error:  # noqa: BLE001  # told to the caller; the pipe must drain on
                problems.append(error)
