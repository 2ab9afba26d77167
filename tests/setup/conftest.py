"""A machine of the test's own."""

from pathlib import Path

import pytest

from orchestrator.setup import debian
from tests.setup.machine import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine on which nothing is installed."""
    home, path = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    path.mkdir()
    monkeypatch.setattr(debian, "SYSTEM_FOLDERS", str(path))
    return Machine(home=home, path=path)
