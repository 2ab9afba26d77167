"""Does `state: builtin` keep the states of stacks in the store, from the command line on?"""

from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import PROJECT, Tiny, files_with, stage
from tests.needs import needs_postgres, needs_pulumi
from tests.postgres import Postgres

pytestmark = [pytest.mark.slow, needs_pulumi]
PROGRAM = """\
import os, pulumi
print("sees", sorted(name for name in os.environ if "PG" in name or "TOKEN" in name))
pulumi.export("word", pulumi.Config().require_secret("word"))
"""


def a_site(tiny: Tiny, store: str = "local") -> None:
    tiny.write("stacks/site/Pulumi.yaml", "name: site\nruntime: python\n")
    tiny.write("stacks/site/__main__.py", PROGRAM)
    pulumi = {"project": "stacks/site", "config": {"word": "${{ secrets.word }}"}}
    line = stage("site", {"pulumi": pulumi}, outputs={"word": "secret(string)"})
    head = PROJECT.format(id=tiny.id, store=f'"{store}"')
    tiny.write("orchestrator.yaml", f"{head}stages:\n{line}")
    tiny.environment("dev", "state: builtin\nsecrets: { word: 'env://WORD' }\n")


def test_a_stack_of_the_store(make: Make) -> None:
    """up, up and destroy; no state lies in a file; another `state:` is refused."""
    tiny = make()
    a_site(tiny)
    word = {"WORD": "open sesame"}
    up = tiny.ask("up", "dev", "--yes", variables=word)
    assert up.code == 0, up.all
    assert not (tiny.store / "stacks" / "state").exists()
    assert tiny.rows("select program, stack, version from stacks") == [("site", "dev", 1)]
    again = tiny.ask("up", "dev", "--yes", variables=word)
    assert again.code == 0, again.all
    tiny.environment("dev", f"state: file://{tiny.world}\nsecrets: {{ word: 'env://WORD' }}\n")
    moved = tiny.ask("up", "dev", "--yes", variables=word)
    assert moved.code == 10, moved.all
    assert "keeps its stacks in 'builtin'" in moved.err
    a_site(tiny)
    destroy = tiny.ask("destroy", "dev", "--yes", variables=word)
    assert destroy.code == 0, destroy.all
    assert tiny.rows("select removed_at is null from stacks") == [(0,)]
    assert files_with(tiny.store, [b"open sesame"]) == []


@needs_postgres
def test_a_stack_in_postgresql(make: Make, postgres: Postgres, world: Path) -> None:
    """The attempt reaches the database; the program sees nothing of it."""
    tiny = make(init=False)
    url = postgres.new_database().replace("postgresql+psycopg://", "postgresql://")
    a_site(tiny, url)
    assert tiny.ask("store", "init").code == 0
    word = {"WORD": "open sesame"}
    up = tiny.ask("up", "dev", "--yes", variables={**word, "PGAPPNAME": "orchestrator"})
    assert up.code == 0, up.all
    assert "sees []" in tiny.ask("logs", "dev#1").all
    assert not list(world.iterdir())
    assert files_with(tiny.store, [b"open sesame", b"PGAPPNAME"]) == []
    assert tiny.ask("destroy", "dev", "--yes", variables=word).code == 0
