"""A machine of the test's own."""

from pathlib import Path

import pytest

from tests.setup.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine on which nothing is installed."""
    home, path = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    path.mkdir()
    return Machine(home=home, path=path)
