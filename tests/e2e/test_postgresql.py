"""Does all of it hold on PostgreSQL as well?"""

from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import PROJECT, command, held
from tests.needs import needs_postgres
from tests.postgres import Postgres

pytestmark = [pytest.mark.slow, needs_postgres]


def test_a_run_on_postgresql(make: Make, world: Path, postgres: Postgres) -> None:
    """up, SIGKILL of the controller, wait, status: as on SQLite, and nothing happened twice."""
    tiny = make(init=False)
    url = postgres.new_database().replace("postgresql+psycopg://", "postgresql://")
    stages = command(world, "one"), held(world, "two", needs=["one"])
    text = PROJECT.format(id=tiny.id, store=f'"{url}"') + "stages:\n" + "".join(stages)
    tiny.write("orchestrator.yaml", text)
    made = tiny.ask("store", "init")
    assert made.code == 0, made.err
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("two")
    second = tiny.ask("up", "dev", "--yes")
    assert second.code == 12
    assert "dev#1" in second.err
    up.kill()
    tiny.let("two")
    wait = tiny.ask("wait", "dev#1")
    assert wait.code == 0, wait.err
    assert tiny.counts("one", "two") == [1, 1]
    status = tiny.ask("status")
    assert "live, dev#1" in status.out, status.all
    assert tiny.marked() == []
    assert not tiny.database.exists()
