"""Is what a person has to do said before the long steps begin?"""

from collections.abc import Iterable

import pytest

from orchestrator.setup import __main__ as setup
from orchestrator.setup.rows import Options, Report, Row, State


def _row(name: str, *, can_fix: bool) -> Row:
    return Row(
        name=name,
        needed="it",
        found="nowhere",
        state=State.MISSING,
        fix=f"bring {name}",
        can_fix=can_fix,
    )


def test_what_it_cannot_mend_is_said_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plain user hears that root is needed before Pulumi is built, not after an hour of it."""
    root = _row("root", can_fix=False)

    def mend(_rows: Iterable[Row], report: Report, _options: Options) -> tuple[Row, ...]:
        report("building Pulumi …")
        return (root,)

    monkeypatch.setattr(setup, "examine", lambda _: (_row("Pulumi", can_fix=True), root))
    monkeypatch.setattr(setup, "fix", mend)
    assert setup.main(["--fix"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["missing: root (nowhere) -> bring root", "  building Pulumi …"]
    assert said[-1].startswith("machine: 0 of 1 needed things are there")


def test_an_interrupt_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C in a long step ends it with one line."""

    def stopped(_rows: Iterable[Row], _report: Report, _options: Options) -> tuple[Row, ...]:
        raise KeyboardInterrupt

    monkeypatch.setattr(setup, "examine", lambda _: (_row("Pulumi", can_fix=True),))
    monkeypatch.setattr(setup, "fix", stopped)
    assert setup.main(["--fix"]) == 130
    assert capsys.readouterr().out.startswith("interrupted; ")
