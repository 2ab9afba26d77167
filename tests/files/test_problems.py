"""Are problems shown as the reference draws them?"""

from __future__ import annotations

from pathlib import Path

from orchestrator.files.definitions import validate
from orchestrator.files.problems import rendered, rendered_all
from orchestrator.model.positions import Position, Problem
from tests.files.projects import FILES, changed


def at(line: int, column: int) -> Position:
    return Position(file="orchestrator.yaml", line=line, column=column)


def test_caret() -> None:
    """Line, caret and help stand under each other."""
    problem = Problem(
        message="undeclared reference to 'stages.netwrk.outputs.subnet'",
        position=at(14, 21),
        length=28,
        source="        subnet: ${{ stages.netwrk.outputs.subnet }}",
        help="did you mean 'stages.network.outputs.subnet'?",
    )
    assert rendered(problem) == (
        "error: undeclared reference to 'stages.netwrk.outputs.subnet'\n"
        "  --> orchestrator.yaml:14:21\n"
        "   14 |         subnet: ${{ stages.netwrk.outputs.subnet }}\n"
        "      |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "      = help: did you mean 'stages.network.outputs.subnet'?"
    )


def test_of_a_real_file(tmp_path: Path) -> None:
    """What `validate` finds comes with the line and the caret."""
    file = "orchestrator.yaml"
    root = changed(tmp_path, file, "    timeout: 20m", "    tiemout: 20m")
    assert [rendered(problem) for problem in validate(root)] == [
        "error: unknown key 'tiemout' in stages.hosts\n"
        "  --> orchestrator.yaml:26:5\n"
        "   26 |     tiemout: 20m\n"
        "      |     ^^^^^^^\n"
        "      = help: did you mean 'timeout'?"
    ]
    assert "tiemout" not in FILES[file]


def test_without_a_place() -> None:
    """A problem without a place is a line, and a warning says so."""
    assert rendered(Problem(message="odd", severity="warning")) == "warning: odd"


def test_tabs_and_wide_characters() -> None:
    """The caret stands under its text also after tabs and wide characters."""
    problem = Problem(message="m", position=at(1, 6), length=2, source="\t日本: xy")
    assert rendered(problem).splitlines()[2:] == ["    1 | \t日本: xy", "      | \t      ^^"]


def test_long_lines_are_cut() -> None:
    """A line of a megabyte is shown around the caret only."""
    source = "x" * 5000 + "HERE" + "y" * 5000
    lines = rendered(Problem(message="m", position=at(1, 5001), length=4, source=source)).split(
        "\n"
    )
    start = lines[3].index("^")
    assert len(lines[2]) < 140
    assert lines[2][start : start + 4] == "HERE"


def test_all_with_a_count() -> None:
    """All are shown, and counted at the end."""
    problems = [
        Problem(message="a"),
        Problem(message="b"),
        Problem(message="c", severity="warning"),
    ]
    assert rendered_all(problems) == "error: a\n\nerror: b\n\nwarning: c\n\n2 errors, 1 warning"
