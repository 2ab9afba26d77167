"""How is a run shown while it goes on?"""

from datetime import UTC, datetime

import pytest

from orchestrator.cli import screens
from orchestrator.model.events import RunEvent
from orchestrator.model.values import Json
from tests.e2e.projects import until


def test_silence_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing was told for a while, a line says what still runs, again and again."""
    monkeypatch.setattr(screens, "QUIET_FOR", 0.03)
    said = ""

    def lines() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return said.count("dev#1 one running ") >= 2

    at = datetime.now(UTC)
    body: dict[str, Json] = {"kind": "command", "status": "running", "attempt": 1, "reason": ""}
    with screens.PlainScreen() as screen:
        screen(RunEvent(type="stage.started", run="dev#1", at=at, stage="one", body=body))
        until(lines, "two lines broke the silence")
    assert "dev#1 one started" in said
