"""What the vault promises."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.errors import SecretError
from orchestrator.model.values import Json
from orchestrator.ports import Vault
from orchestrator.trust.vault import Keys, StoreVault

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
VAULT = StoreVault(Keys(current="k", sealing={"k": bytes(32)}, root=bytes(32), path=Path("keys")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "keys.json"


def test_a_key_file_is_private_and_loads_again(path: Path) -> None:
    """What was sealed with new keys opens with the keys loaded from the file, which is 0600."""
    sealed = StoreVault(Keys.create(path)).seal({"a": ["x", 1]})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    vault: Vault = StoreVault(Keys.load(path))
    assert vault.open(sealed) == {"a": ["x", 1]}
    assert [p.name for p in path.parent.iterdir()] == ["keys.json"]


def test_keys_are_never_replaced(path: Path) -> None:
    """A second creation refuses and leaves the file as it was."""
    Keys.create(path)
    before = path.read_bytes()
    with pytest.raises(SecretError, match="exists already"):
        Keys.create(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_others_may_read_is_refused(path: Path, mode: int) -> None:
    """The refusal says the chmod that is missing."""
    Keys.create(path)
    path.chmod(mode)
    with pytest.raises(SecretError, match=f"chmod 600 {path}"):
        Keys.load(path)


def test_a_missing_key_file(path: Path) -> None:
    """A missing key file is named."""
    with pytest.raises(SecretError, match="is missing") as caught:
        Keys.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"format": 1, "current": "a"}', "\x00"])
def test_a_broken_key_file(path: Path, text: str) -> None:
    """Whatever else stands in the file is refused without showing it."""
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SecretError, match="is not a key file"):
        Keys.load(path)


def test_a_short_key_is_refused(path: Path) -> None:
    """A key of another length than 32 bytes is no key."""
    Keys.create(path)
    body = json.loads(path.read_text())
    body["root"] = "AAAA"
    path.write_text(json.dumps(body))
    with pytest.raises(SecretError, match="is not a key file"):
        Keys.load(path)


def test_another_stores_key(tmp_path: Path) -> None:
    """A value sealed elsewhere says which key it needs and which are here."""
    ours, theirs = Keys.create(tmp_path / "a"), Keys.create(tmp_path / "b")
    with pytest.raises(SecretError, match=f"key {theirs.current}.*holds {ours.current}"):
        StoreVault(ours).open(StoreVault(theirs).seal("x"))


def test_a_rotated_key_file_still_opens_what_is_old(path: Path) -> None:
    """With a second key the old values open, new ones carry its id, hashes stay as they were."""
    old = Keys.create(path)
    new = Keys(current="new", sealing={**old.sealing, "new": bytes(32)}, root=old.root, path=path)
    assert StoreVault(new).open(StoreVault(old).seal("x")) == "x"
    assert StoreVault(new).seal("x").startswith("v1:new:")
    assert StoreVault(new).keyed_hash("x") == StoreVault(old).keyed_hash("x")
    assert StoreVault(new).derive("p") == StoreVault(old).derive("p")


def test_a_changed_byte_is_noticed() -> None:
    """No changed character of a sealed text opens to anything else."""
    sealed = VAULT.seal("correct horse")
    for place in range(len(sealed)):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        try:
            assert VAULT.open(changed) == "correct horse"  # padding bits carry nothing
        except SecretError:
            continue


@pytest.mark.parametrize(
    "text", ["", "x", "v1:", "v1:k:", "v1:k:AAAA", "v2:k:" + "A" * 80, "v1:k:%"]
)
def test_what_is_not_sealed_does_not_open(text: str) -> None:
    """Other texts are refused as such."""
    with pytest.raises(SecretError):
        VAULT.open(text)


@given(JSON)
def test_any_json_comes_back(value: Json) -> None:
    """Every JSON value opens as it was, and has a hash."""
    assert VAULT.open(VAULT.seal(value)) == value


@given(st.dictionaries(st.text(), st.integers()))
def test_hashes_do_not_depend_on_order(value: dict[str, Json]) -> None:
    """The order of keys changes no hash."""
    assert VAULT.keyed_hash(value) == VAULT.keyed_hash(dict(reversed(value.items())))


def test_hashes_are_keyed_and_tell_values_apart(tmp_path: Path) -> None:
    """Another store, value or type gives another hash."""
    other = StoreVault(Keys.create(tmp_path / "k"))
    values: list[Json] = [
        "1",
        1,
        2**53,
        2**53 + 1,
        str(2**53),
        "\ud800",
        [1],
        {"a": 1},
        None,
        True,
        "",
    ]
    hashes = {VAULT.keyed_hash(value) for value in values}
    assert len(hashes) == len(values)
    assert other.keyed_hash("1") not in hashes


def test_nothing_shows_keys_or_values(tmp_path: Path) -> None:
    """The text form of keys holds no key, and nothing is sealed alike twice."""
    keys = Keys.create(tmp_path / "k")
    assert repr(keys.root) not in repr(keys)
    assert all(repr(key) not in repr(keys) for key in keys.sealing.values())
    vault = StoreVault(keys)
    assert vault.seal("x") != vault.seal("x")
    assert vault.derive("a") != vault.derive("b")
