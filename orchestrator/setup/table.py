"""How does the doctor's table look as plain text?"""

from collections.abc import Iterable, Sequence

from orchestrator.setup.rows import Row

HEADS = ("needed thing", "needed", "found", "state")


def table(rows: Iterable[Row]) -> str:
    """The rows in columns, and under them what mends each one that is not ok."""
    chosen = tuple(rows)
    lines = [HEADS, *((row.name, row.needed, row.found, row.state.value) for row in chosen)]
    return "\n".join([*_columns(lines), *fixes(chosen)])


def fixes(rows: Iterable[Row]) -> list[str]:
    """One line for each row that is not ok: its name, what was found, and the command."""
    return [f"{row.state.value}: {row.name} ({row.found}) -> {row.fix}" for row in rows if row.fix]


def _columns(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
