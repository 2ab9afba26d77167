"""Where secrets come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.model.errors import SecretError
from orchestrator.trust.secrets import file_of, resolve, version_of, warning_for
from tests.trust.test_vault import VAULT


def test_a_variable() -> None:
    """env:// reads the environment it is given."""
    assert resolve("env://TOKEN", {"TOKEN": " a\n"}, Path("/")) == " a\n"


@pytest.mark.parametrize(
    ("text", "value"), [("v", "v"), ("v\n", "v"), ("v\r\n", "v"), ("v\n\n", "v\n")]
)
def test_a_file(tmp_path: Path, text: str, value: str) -> None:
    """One newline at the end of a file is not part of the secret; paths start from the root."""
    (tmp_path / "token").write_bytes(text.encode())
    assert resolve("file://token", {}, tmp_path) == value
    assert resolve(f"file://{tmp_path}/token", {}, Path("/")) == value


def test_a_file_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """~ is the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "token").write_text("v")
    assert resolve("file://~/token", {}, Path("/nowhere")) == "v"


@pytest.mark.parametrize(
    ("locator", "says"),
    [
        ("env://MISSING", "MISSING is not set"),
        ("env://EMPTY", "EMPTY is empty"),
        ("env://BYTES", "not UTF-8"),
        ("env://A-B", "right would be env://NAME"),
        ("file://missing", "No such file"),
        ("file://folder", "is a folder"),
        ("file://pipe", "is not a file"),
        ("file://empty", "is empty"),
        ("file://binary", "not UTF-8"),
        ("file://large", "larger than 1 MiB"),
        ("file://a\0b", "null byte"),
        ("file://~nobodyknowsme/x", "home folder"),
        ("vault://kv/x", "there are: env://, file://"),
        ("hunter2hunter2", "must be a locator"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, locator: str, says: str) -> None:
    """Each case says what is wrong, and none shows a value."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfehidden")
    (tmp_path / "large").write_bytes(b"x" * 1024 * 1024 + b"y")
    with pytest.raises(SecretError) as caught:
        resolve(locator, {"EMPTY": "", "BYTES": "hidden\udcff"}, tmp_path)
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_versions() -> None:
    """A version changes with the value and shows nothing of it."""
    one = version_of("env://A", "hunter2", VAULT)
    assert one == version_of("env://A", "hunter2", VAULT)
    assert one != version_of("env://A", "hunter3", VAULT)
    assert "hunter2" not in one


def test_a_file_for_everybody_is_doubtful(tmp_path: Path) -> None:
    """Only a file that everybody may read gives a warning."""
    path = tmp_path / "token"
    path.write_text("v")
    path.chmod(0o644)
    assert "chmod 600" in warning_for("file://token", tmp_path)
    path.chmod(0o600)
    assert warning_for("file://token", tmp_path) == ""
    assert warning_for("env://A", tmp_path) == ""


def test_which_file_a_locator_names(tmp_path: Path) -> None:
    """The file, also before it is there; env:// names none."""
    assert file_of("file://keys/smtp", tmp_path) == tmp_path / "keys/smtp"
    assert file_of("env://A", tmp_path) is None
