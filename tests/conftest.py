"""What holds for every test?

A need that is not met skips by name, or fails in CI; a need of a real tool marks a test `real`.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import needs
from tests.postgres import Postgres, running_postgres

# A busy machine is no reason to fail: no deadline, and slow generation is not judged.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", calm, max_examples=30)
settings.register_profile("thorough", calm, max_examples=200)
settings.load_profile("quick")


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known to --strict-markers."""
    config.addinivalue_line(
        "markers", "needs(*names): tools the test cannot do without; see tests/needs.py"
    )


@pytest.hookimpl(tryfirst=True)  # before -m chooses among the items
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as `real` whatever needs a real tool."""
    for item in items:
        if any(needs.NEEDS[name].real for name in _needed(item)):
            item.add_marker(pytest.mark.real)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips, or in CI fails, a test whose needs are not met."""
    missing = needs.what_is_missing(_needed(item))
    if missing is None:
        return
    if needs.in_ci():
        pytest.fail(f"CI must have every tool: {missing}", pytrace=False)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL server of this test run's own; mark the test with `needs_postgres`."""
    with running_postgres() as server:
        yield server


def _needed(item: pytest.Item) -> tuple[str, ...]:
    names = [name for mark in item.iter_markers("needs") for name in mark.args]
    return tuple(dict.fromkeys(names))
