"""How does the Makefile ask for the set-up, before there is anything else?

python -m orchestrator.setup [--fix] [--light-hosts] [--tests]
"""

import sys
import time

from orchestrator.setup.doctor import examine, fix
from orchestrator.setup.rows import Options, Row
from orchestrator.setup.table import fixes, table

FLAGS = ("--fix", "--light-hosts", "--tests")


def main(words: list[str]) -> int:
    """0: nothing needed is missing, 1: something is, 2: a word it does not know, 130: Ctrl-C."""
    unknown = [word for word in words if word not in FLAGS]
    if unknown:
        print(f"unknown: {' '.join(unknown)}; known: {' '.join(FLAGS)}", file=sys.stderr)
        return 2
    options = Options(light_hosts="--light-hosts" in words, tests="--tests" in words)
    try:
        rows = _mended(options) if "--fix" in words else _shown(options)
    except KeyboardInterrupt:
        print("interrupted; what was done is kept, the same command goes on from there")
        return 130
    return 1 if any(row.blocks for row in rows) else 0


def _shown(options: Options) -> tuple[Row, ...]:
    rows = examine(options)
    print(table(rows))
    return rows


def _mended(options: Options) -> tuple[Row, ...]:
    begun = time.monotonic()
    rows = examine(options)
    if any(row.can_fix for row in rows):
        # Before the long steps: whoever has to mend something first need not wait for them.
        for line in fixes(row for row in rows if row.blocks and not row.can_fix):
            print(line, flush=True)
        rows = fix(rows, lambda line: print(f"  {line}", flush=True), options)
    print("\n".join([*fixes(rows), _summary(rows, time.monotonic() - begun)]))
    return rows


def _summary(rows: tuple[Row, ...], seconds: float) -> str:
    there = sum(not row.blocks for row in rows)
    return f"machine: {there} of {len(rows)} needed things are there ({seconds:.1f} s)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
