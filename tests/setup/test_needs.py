"""Do needs and the test run's own PostgreSQL server behave as they say?"""

import psycopg
import pytest

from tests import needs
from tests.needs import needs_postgres
from tests.postgres import Postgres


def test_a_missing_tool_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is missing is said by name, together with how to get it."""
    absent = needs.Need(present=lambda: False, fix="apt-get install teapot")
    monkeypatch.setitem(needs.NEEDS, "teapot", absent)
    assert (
        needs.what_is_missing(("teapot",))
        == "teapot is missing (bring it with: apt-get install teapot)"
    )


@pytest.mark.parametrize(
    ("value", "is_ci"), [("true", True), ("1", True), ("", False), ("0", False), ("false", False)]
)
def test_ci_is_recognised_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, value: str, is_ci: bool
) -> None:
    """Only where CI is set to something true a missing tool fails."""
    monkeypatch.setenv("CI", value)
    assert needs.in_ci() is is_ci


@needs_postgres
def test_each_database_is_empty_and_its_own(postgres: Postgres) -> None:
    """Two databases of one server know nothing of each other."""
    one, two = (_plain(postgres.new_database()) for _ in range(2))
    with psycopg.connect(one) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    with psycopg.connect(two) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'"
        ).fetchone()
    assert found == (0,)


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")
