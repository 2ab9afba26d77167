"""Can stock Pulumi go on with a mirror while we are down, and is its work not lost to us?"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import Tiny, files_with
from tests.e2e.test_builtin_state import a_site
from tests.needs import needs_pulumi, pulumi_path

pytestmark = [pytest.mark.slow, needs_pulumi]
WORD = {"WORD": "open sesame"}


def mirrored(tiny: Tiny, folder: Path) -> None:
    a_site(tiny)
    state = f"state: {{ backend: builtin, mirror: '{folder}' }}"
    tiny.environment("dev", f"{state}\nsecrets: {{ word: 'env://WORD' }}\n")


def stock(tiny: Tiny, folder: Path, passphrase: str, *words: str) -> str:
    """What plain `pulumi` prints, in the stack's own folder, with nothing of ours."""
    home = tiny.world / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [str(pulumi_path()), *words, "--non-interactive", "--color", "never"],
        cwd=tiny.root / "stacks/site",
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PULUMI_BACKEND_URL": f"file://{folder}",
            "PULUMI_CONFIG_PASSPHRASE": passphrase,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_stock_pulumi_goes_on_with_it(make: Make, tmp_path: Path) -> None:
    """It lists, shows secrets, changes the state; we do not overwrite that, and can take it in."""
    tiny, folder = make(), tmp_path / "mirror"
    mirrored(tiny, folder)
    up = tiny.ask("up", "dev", "--yes", variables=WORD)
    assert up.code == 0, up.all
    assert files_with(folder, [b"open sesame"]) == []
    phrase = tiny.ask("stack", "passphrase").out.strip()
    (tiny.home / "orchestrator").rename(tmp_path / "away")
    on = ("--stack", "organization/site/dev")
    listed = json.loads(stock(tiny, folder, phrase, "stack", "ls", "--json"))
    assert [stack["name"] for stack in listed] == ["dev"]
    shown = stock(tiny, folder, phrase, "stack", "output", "--json", "--show-secrets", *on)
    assert json.loads(shown) == {"word": "open sesame"}
    config = ("--config-file", str(folder / "config/site/Pulumi.dev.yaml"))
    word = stock(tiny, folder, phrase, "config", "get", "site:word", *config, *on)
    assert word.strip() == "open sesame"
    stock(tiny, folder, phrase, "refresh", "--yes", "--skip-preview", *on)
    (tmp_path / "away").rename(tiny.home / "orchestrator")
    again = tiny.ask("up", "dev", "--yes", variables=WORD)
    assert again.code == 0, again.all


def test_what_somebody_wrote_there_is_not_overwritten(make: Make, tmp_path: Path) -> None:
    """It is said, with how to take it in; then the mirror is ours again."""
    tiny, folder = make(), tmp_path / "mirror"
    mirrored(tiny, folder)
    assert tiny.ask("up", "dev", "--yes", variables=WORD).code == 0
    file = folder / ".pulumi/stacks/site/dev.json"
    body = json.loads(file.read_text())
    body["checkpoint"]["latest"]["resources"][0]["outputs"]["hand"] = "made"
    file.write_text(json.dumps(body))
    other = {"WORD": "another word"}
    up = tiny.ask("up", "dev", "--yes", variables=other)
    assert up.code == 0, up.all
    assert "was left alone" in up.all, up.all
    assert f"stack import-from {folder}" in up.all
    assert "hand" in file.read_text()
    taken = tiny.ask("stack", "import-from", str(folder), "dev", "--yes", "--replace")
    assert taken.code == 0, taken.all
    assert tiny.ask("up", "dev", "--yes", variables=other).code == 0
    assert "hand" not in file.read_text()


def test_a_mirror_that_cannot_be_written_fails_nothing(make: Make, tmp_path: Path) -> None:
    """The update counts, and a note says what is not there."""
    tiny, folder = make(), tmp_path / "mirror"
    folder.write_text("a file")
    mirrored(tiny, folder)
    up = tiny.ask("up", "dev", "--yes", variables=WORD)
    assert up.code == 0, up.all
    assert "is not up to date" in up.all, up.all
    assert "is not up to date" in tiny.ask("status").err
    assert f"{folder} cannot be written to" in tiny.ask("doctor").all
    folder.unlink()
    again = tiny.ask("up", "dev", "--yes", variables=WORD)
    assert again.code == 0, again.all
    assert "is not up to date" not in tiny.ask("status").err
    assert (folder / ".pulumi/stacks/site/dev.json").exists()
    assert tiny.ask("destroy", "dev", "--yes", variables=WORD).code == 0
    assert not (folder / ".pulumi/stacks/site/dev.json").exists()
