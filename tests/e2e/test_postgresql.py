"""Does all of it hold on PostgreSQL as well?"""

from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import PROJECT, command, held, until
from tests.needs import needs_postgres
from tests.postgres import Postgres, running_postgres

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


def test_a_database_that_is_restarted_in_mid_run(make: Make, world: Path) -> None:
    """The controller says so once and waits; the attempt goes on; all is recorded, once."""
    with running_postgres() as postgres:
        tiny = make(init=False)
        url = postgres.new_database().replace("postgresql+psycopg://", "postgresql://")
        stages = held(world, "one", "echo said"), command(world, "two", needs=["one"])
        text = PROJECT.format(id=tiny.id, store=f'"{url}"') + "stages:\n" + "".join(stages)
        tiny.write("orchestrator.yaml", text)
        assert tiny.ask("store", "init").code == 0
        up = tiny.begin("up", "dev", "--yes")
        tiny.until_begun("one")
        postgres.server.stop()
        tiny.let("one")
        until(lambda: "Attempts go on" in up.err, "it says that the store is away")
        until(lambda: not tiny.marked(), "the stage has ended meanwhile")
        postgres.server.start()
        answer = up.answer()
        assert answer.code == 0, answer.err
        assert answer.err.count("Attempts go on") == 1, answer.err
        assert "Traceback" not in answer.err
        assert tiny.counts("one", "two") == [1, 1]
        logs = tiny.ask("logs", "dev#1", "one")
        assert logs.out.count("said") == 1, logs.out
