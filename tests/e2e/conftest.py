"""Projects for the tests here; whatever a test leaves running is ended after it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.projects import Tiny, made

Make = Callable[..., Tiny]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes one project in this test's folder; see `projects.made`."""
    projects: list[Tiny] = []

    def _make(*stages: str, init: bool = True, id: str = "tiny-1") -> Tiny:
        projects.append(made(tmp_path, *stages, init=init, id=id))
        return projects[-1]

    yield _make
    for project in projects:
        project.end()


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Where the stages of that project leave their traces."""
    return tmp_path / "world"
