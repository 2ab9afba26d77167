"""Are all secrets under a new key after a rotation, and is the older one needed no more?"""

import json
from pathlib import Path

import pytest

from orchestrator.trust.vault import Keys
from tests.e2e.conftest import Make
from tests.e2e.projects import PROJECT, Tiny, command, files_with, held, outputs
from tests.e2e.test_builtin_state import a_site
from tests.needs import needs_postgres, needs_pulumi
from tests.postgres import Postgres

pytestmark = pytest.mark.slow
WORD = {"WORD": "open sesame"}


def keys_of(tiny: Tiny) -> list[str]:
    return list(json.loads((tiny.store / "keys.json").read_text())["sealing"])


@needs_pulumi
def test_rotated_and_the_old_key_dropped(make: Make) -> None:
    """Stacks and outputs open as before; of the older key nothing stands in the store any more."""
    tiny = make()
    a_site(tiny)
    assert tiny.ask("up", "dev", "--yes", variables=WORD).code == 0
    (old,) = keys_of(tiny)
    rotated = tiny.ask("store", "rotate-keys")
    assert rotated.code == 0, rotated.all
    assert "3 values are sealed with a new key" in rotated.out, rotated.out
    assert keys_of(tiny)[0] == old
    dropped = tiny.ask("store", "rotate-keys", "--drop-old")
    assert dropped.code == 0, dropped.all
    assert "0 values had one of them" in dropped.out
    (new,) = keys_of(tiny)
    assert new != old
    assert files_with(tiny.store, [f"v1:{old}:".encode()]) == []
    assert (tiny.store / "keys.json").stat().st_mode & 0o777 == 0o600
    again = tiny.ask("up", "dev", "--yes", variables=WORD)
    assert "nothing changed" in again.out, again.all
    shell = ("stack", "shell", "dev", "site", "--")
    shown = tiny.ask(*shell, "pulumi", "stack", "output", "--show-secrets", variables=WORD)
    assert "open sesame" in shown.out, shown.all
    verbs = [verb for (verb,) in tiny.rows("select verb from audit where verb like 'store.keys%'")]
    assert verbs == ["store.keys_rotated", "store.keys_dropped"]


def test_a_key_file_without_a_key_in_use_rotates_nothing(make: Make) -> None:
    """Another machine's keys were not brought here: the file must not become everybody's."""
    tiny = make()
    secret = command(tiny.world, "first", outputs(a="hush"), outputs={"a": "secret(string)"})
    tiny.pipeline(secret)
    assert tiny.ask("up", "dev", "--yes").code == 0
    file = tiny.store / "keys.json"
    older = file.read_text()
    (tiny.store / ".keys.json.left").write_text("of one who was killed")
    assert tiny.ask("store", "rotate-keys").code == 0
    newer = file.read_text()
    assert list(tiny.store.glob(".keys.json.*")) == []
    file.write_text(older)
    for words in (("store", "rotate-keys"), ("store", "rotate-keys", "--drop-old")):
        refused = tiny.ask(*words)
        assert refused.code == 10, refused.all
        assert "another machine rotated the keys" in refused.err
        assert file.read_text() == older
    file.write_text(newer)
    assert tiny.ask("store", "rotate-keys", "--drop-old").code == 0


def test_a_rotation_that_was_killed_is_done_again(make: Make) -> None:
    """It had written the new key, and sealed nothing with it yet."""
    tiny = make()
    secret = command(tiny.world, "first", outputs(a="hush"), outputs={"a": "secret(string)"})
    tiny.pipeline(secret)
    assert tiny.ask("up", "dev", "--yes").code == 0
    (old,) = keys_of(tiny)
    Keys.load(tiny.store / "keys.json").rotated()
    assert tiny.ask("up", "dev", "--yes").code == 0
    assert tiny.ask("store", "rotate-keys").code == 0
    assert tiny.ask("store", "rotate-keys", "--drop-old").code == 0
    assert files_with(tiny.store, [f"v1:{old}:".encode()]) == []
    assert len(keys_of(tiny)) == 1
    assert tiny.ask("up", "dev", "--yes").code == 0


@needs_postgres
def test_on_postgresql(make: Make, postgres: Postgres, world: Path) -> None:
    """As on SQLite; and it is said that the other machines need the new file."""
    tiny = make(init=False)
    url = postgres.new_database().replace("postgresql+psycopg://", "postgresql://")
    secret = command(world, "first", outputs(a="hush"), outputs={"a": "secret(string)"})
    head = PROJECT.format(id=tiny.id, store=f'"{url}"')
    tiny.write("orchestrator.yaml", f"{head}stages:\n{secret}")
    assert tiny.ask("store", "init").code == 0
    assert tiny.ask("up", "dev", "--yes").code == 0
    rotated = tiny.ask("store", "rotate-keys")
    assert rotated.code == 0, rotated.all
    assert "2 values are sealed with a new key" in rotated.out
    assert "on every machine that joined it" in rotated.out
    dropped = tiny.ask("store", "rotate-keys", "--drop-old")
    assert dropped.code == 0, dropped.all
    assert "0 values had one of them" in dropped.out
    assert tiny.ask("up", "dev", "--yes").code == 0


def test_two_rotations_at_once(make: Make) -> None:
    """One is refused, or they follow one another: whatever is sealed opens afterwards."""
    tiny = make()
    secret = command(tiny.world, "first", outputs(a="hush"), outputs={"a": "secret(string)"})
    last = command(tiny.world, "last", needs=["first"], env={"A": "${{ stages.first.outputs.a }}"})
    tiny.pipeline(secret, last)
    assert tiny.ask("up", "dev", "--yes").code == 0
    both = [tiny.begin("store", "rotate-keys") for _ in range(3)]
    codes = [each.answer().code for each in both]
    assert set(codes) <= {0, 12}, codes
    assert 0 in codes
    dropped = tiny.ask("store", "rotate-keys", "--drop-old")
    assert dropped.code == 0, dropped.all
    assert tiny.ask("up", "dev", "--yes").code == 0


def test_a_run_under_way_keeps_the_old_key(make: Make) -> None:
    """It may seal with it; what it sealed opens afterwards."""
    tiny = make()
    tiny.pipeline(
        held(tiny.world, "first", outputs(a="hush"), outputs={"a": "secret(string)"}),
        command(tiny.world, "last", needs=["first"], env={"A": "${{ stages.first.outputs.a }}"}),
    )
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("first")
    assert tiny.ask("store", "rotate-keys").code == 0
    refused = tiny.ask("store", "rotate-keys", "--drop-old")
    assert refused.code == 12, refused.all
    assert len(keys_of(tiny)) == 2
    tiny.let("first")
    assert up.answer().code == 0, up.err
    dropped = tiny.ask("store", "rotate-keys", "--drop-old")
    assert dropped.code == 0, dropped.all
    assert "0 values" not in dropped.out
    assert tiny.ask("up", "dev", "--yes").code == 0
