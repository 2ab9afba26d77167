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
    """0 if nothing needed is missing, 1 if something is, 2 for a word it does not know."""
    unknown = [word for word in words if word not in FLAGS]
    if unknown:
        print(f"unknown: {' '.join(unknown)}; known: {' '.join(FLAGS)}", file=sys.stderr)
        return 2
    begun = time.monotonic()
    options = Options(light_hosts="--light-hosts" in words, tests="--tests" in words)
    rows = examine(options)
    if "--fix" not in words:
        print(table(rows))
    else:
        if any(row.can_fix for row in rows):
            # Before the long steps: whoever has to mend something first need not wait for them.
            for line in fixes(row for row in rows if row.blocks and not row.can_fix):
                print(line, flush=True)
            rows = fix(rows, lambda line: print(f"  {line}", flush=True), options)
        print("\n".join([*fixes(rows), _summary(rows, time.monotonic() - begun)]))
    return 1 if any(row.blocks for row in rows) else 0


def _summary(rows: tuple[Row, ...], seconds: float) -> str:
    there = sum(not row.blocks for row in rows)
    return f"machine: {there} of {len(rows)} needed things are there ({seconds:.1f} s)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
