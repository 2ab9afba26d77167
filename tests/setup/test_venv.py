"""Does the stamp in .venv vouch for exactly what was done?"""

import json
from pathlib import Path

import pytest

from tools import venv

PROJECT = '[build-system]\nrequires = ["hatchling"]\n[project]\nname = "x"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with locks and a pyproject.toml."""
    (tmp_path / "requirements").mkdir()
    for name in ("bootstrap.txt", "dev.txt"):
        (tmp_path / "requirements" / name).write_text("a==1 --hash=sha256:0\n")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that were taken; the first really makes the folder, the others only count."""
    taken: list[str] = []

    def make(folder: Path) -> None:
        taken.append("python")
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "bin" / "python").touch()

    monkeypatch.setattr(venv, "_make", make)
    monkeypatch.setattr(venv, "_sync", lambda *_: taken.append("locks"))
    monkeypatch.setattr(venv, "_install_project", lambda *_: taken.append("project"))
    return taken


def test_everything_is_done_once(checkout: Path, steps: list[str]) -> None:
    """The second time there is nothing to do."""
    venv.bring_up_to_date(checkout)
    venv.bring_up_to_date(checkout)
    assert steps == ["python", "locks", "project"]


def test_a_changed_lock_is_installed_without_a_new_venv(checkout: Path, steps: list[str]) -> None:
    """Only the packages are brought up to date."""
    venv.bring_up_to_date(checkout)
    (checkout / "requirements" / "dev.txt").write_text("a==2 --hash=sha256:1\n")
    venv.bring_up_to_date(checkout)
    assert steps[3:] == ["locks"]


def test_only_what_an_install_shows_makes_a_new_install(checkout: Path, steps: list[str]) -> None:
    """A changed linter rule is none of the install's business, a changed entry point is."""
    venv.bring_up_to_date(checkout)
    (checkout / "pyproject.toml").write_text(PROJECT + "[tool.ruff]\nline-length = 7\n")
    venv.bring_up_to_date(checkout)
    assert steps[3:] == []
    (checkout / "pyproject.toml").write_text(PROJECT + '[project.scripts]\nx = "x:main"\n')
    venv.bring_up_to_date(checkout)
    assert steps[3:] == ["project"]


def test_another_python_makes_everything_anew(
    checkout: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packages of one interpreter are not trusted under another."""
    venv.bring_up_to_date(checkout)
    monkeypatch.setattr("sys.executable", "/elsewhere/python3.12")
    venv.bring_up_to_date(checkout)
    assert steps[3:] == ["python", "locks", "project"]


def test_a_step_that_failed_is_taken_again(
    checkout: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not finished is not vouched for; what was, is not repeated."""

    def fail(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(venv, "_sync", fail)
    with pytest.raises(OSError, match="no network"):
        venv.bring_up_to_date(checkout)
    monkeypatch.setattr(venv, "_sync", lambda *_: steps.append("locks"))
    venv.bring_up_to_date(checkout)
    assert steps == ["python", "locks", "project"]


@pytest.mark.parametrize("stamp", ["", "{", "[]"])
def test_a_spoilt_stamp_vouches_for_nothing(checkout: Path, steps: list[str], stamp: str) -> None:
    """A stamp that cannot be read means: do it all."""
    venv.bring_up_to_date(checkout)
    (checkout / ".venv" / venv.STAMP).write_text(stamp)
    venv.bring_up_to_date(checkout)
    assert steps[3:] == ["python", "locks", "project"]


def test_a_stamp_without_its_python_vouches_for_nothing(checkout: Path, steps: list[str]) -> None:
    """A .venv whose interpreter is gone is made anew."""
    venv.bring_up_to_date(checkout)
    (checkout / ".venv" / "bin" / "python").unlink()
    assert json.loads((checkout / ".venv" / venv.STAMP).read_text())
    venv.bring_up_to_date(checkout)
    assert steps[3:] == ["python", "locks", "project"]
