"""Are all secrets under a new key after a rotation, and is the older one needed no more?"""

import json

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import Tiny, command, files_with, held, outputs
from tests.e2e.test_builtin_state import a_site
from tests.needs import needs_pulumi

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
