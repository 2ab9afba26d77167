"""Is the base image whole or absent, whoever builds it and however that ends?

The builder proper (mmdebstrap) is a stand-in here: the real one takes a minute and the network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.lighthosts import image
from orchestrator.lighthosts.errors import ImageMissing, MachineCannot
from tests.needs import needs_root

pytestmark = needs_root

BUILD = "from orchestrator.lighthosts.image import ensure_image; print(ensure_image().key)"
STAND_INS = {
    "mmdebstrap": 'for word; do base=$target; target=$word; done; mkdir -p "$base/etc" "$POOL"\n'
    'echo started >> "$BUILDS"; [ ! -e "$BUILDS.wait" ] || exec sleep 60\n'
    '[ ! -e "$BUILDS.fail" ] || { echo "E: no such package: frob"; exit 25; }',
    "apt-get": '. /etc/os-release; echo "http://mirror.invalid/debian $VERSION_CODENAME main"',
    "apt-config": "true",
    "apt-ftparchive": "echo Package: something",
    "nft": "true",
    "ip": "true",
    "ssh": "true",
}


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with one line per started build; an empty cache and the stand-ins are in place."""
    (tmp_path / "bin").mkdir()
    for name, lines in STAND_INS.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BUILDS", str(tmp_path / "builds"))
    return tmp_path / "builds"


def test_two_builders_at_once_build_once(builds: Path) -> None:
    """Both get the same image; the second waited for the first."""
    both = [
        subprocess.Popen([sys.executable, "-c", BUILD], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    keys = {builder.communicate(timeout=60)[0] for builder in both}
    assert keys == {f"{image.image_key()}\n"}
    assert builds.read_text() == "started\n"
    found = image.find_image()
    assert found is not None
    assert (found.mirror / "Packages").read_text() == "Package: something\n"
    assert (found.mirror / "Packages.gz").exists()


def test_a_failed_build_leaves_no_image_and_says_why(builds: Path) -> None:
    """The builder's own last words stand in the message; a later build succeeds."""
    fail = builds.with_name("builds.fail")
    fail.touch()
    said: list[str] = []
    with pytest.raises(ImageMissing, match=r"status 25.*no such package: frob"):
        image.ensure_image(said.append)
    assert image.find_image() is None
    assert "E: no such package: frob" in said
    fail.unlink()
    assert image.ensure_image().base.is_dir()


def test_a_killed_build_leaves_no_image(builds: Path) -> None:
    """After SIGKILL of a builder there is none; the next one clears up after it."""
    wait = builds.with_name("builds.wait")
    wait.touch()
    builder = subprocess.Popen([sys.executable, "-c", BUILD], start_new_session=True)
    deadline = time.monotonic() + 60
    while not builds.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(builder.pid, 9)
    builder.wait()
    assert image.find_image() is None
    wait.unlink()
    image.ensure_image()
    left = sorted(path.name for path in image.cache_root().iterdir())
    assert left == sorted(["build.lock", image.image_key()])


def test_the_key_is_of_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package, another image."""
    before = image.image_key()
    assert image.image_key() == before
    monkeypatch.setattr(image, "BASE_PACKAGES", [*image.BASE_PACKAGES, "vim"])
    assert image.image_key() != before


def test_missing_programs_without_root_are_named(
    builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain user gets the exact command."""
    del builds
    (tmp_path / "bin" / "mmdebstrap").unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(image, "missing_packages", lambda: ["mmdebstrap"])
    with pytest.raises(MachineCannot, match="apt-get install -y --no-install-recommends mmdeb"):
        image.ensure_image()
