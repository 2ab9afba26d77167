"""What holds where the disk is full, or may only be read?

The state home lies on a small tmpfs of a mount namespace of the test's own; what is there at the
end is copied back, so that the test can go on from it on a disk with room.
"""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import CLI, PATIENCE, Answer, Tiny, command
from tests.needs import needs_root

pytestmark = [pytest.mark.slow, needs_root]

SCRIPT = """
set -e
home=$1 saved=$2 left=$3; shift 3
mount --make-rprivate /
mount -t tmpfs -o size=4m,mode=700 small "$home"
cp -a "$saved/." "$home"
head -c "$left" /dev/zero > "$home/room"
cat /dev/zero > "$home/fill" 2>/dev/null || true
rm "$home/room"
set +e
"$@"
code=$?
rm "$home/fill"
rm -rf "$saved"/* && cp -a "$home/." "$saved"
exit $code
"""


def on_a_full_disk(tiny: Tiny, left: int, *words: str) -> Answer:
    """The answer where only so many bytes are left; the state home is as it was left then."""
    saved = tiny.home.with_name("saved")
    shutil.rmtree(saved, ignore_errors=True)
    shutil.copytree(tiny.home, saved)
    parts = ("unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(tiny.home), str(saved), str(left))
    done = subprocess.run(
        [*parts, *CLI, *words],
        cwd=tiny.root,
        env=tiny.variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    shutil.rmtree(tiny.home)
    saved.rename(tiny.home)
    return Answer(code=done.returncode, out=done.stdout, err=done.stderr)


@pytest.mark.parametrize("left", [0, 120_000, 400_000])
def test_up_on_a_full_disk(make: Make, world: Path, left: int) -> None:
    """A clear error, nothing half-written; with room again the same command brings it up."""
    script = "head -c 300000 /dev/zero | tr '\\0' 'x' | fold -w 100"  # tells much
    tiny = make(command(world, "one", script), command(world, "two", needs=["one"]))
    answer = on_a_full_disk(tiny, left, "up", "dev", "--yes")
    assert answer.code in (1, 4), answer.all
    assert "Traceback" not in answer.err, answer.err
    assert any(word in answer.err for word in ("disk", "space", "lost")), answer.err
    with closing(sqlite3.connect(tiny.database)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    again = tiny.ask("up", "dev", "--yes")
    if again.code == 4:  # it took over a run in which a stage was lost, and says what to type
        pytest.fail(again.err)
    assert again.code == 0, again.err
    assert tiny.rows("select status from runs order by number desc limit 1") == [("succeeded",)]
    assert tiny.rows("select count(*) from leases where held") == [(0,)]


def test_store_init_on_a_full_disk(make: Make, world: Path) -> None:
    """A store is there whole or not at all."""
    tiny = make(command(world, "one"), init=False)
    answer = on_a_full_disk(tiny, 0, "store", "init")
    assert answer.code == 1
    assert "Traceback" not in answer.err, answer.err
    assert not tiny.store.exists()
    assert tiny.ask("store", "init").code == 0


def test_a_read_only_disk(make: Make, world: Path) -> None:
    """SQLite cannot even be looked at there: a clear error, and nothing is started."""
    tiny = make(command(world, "one"))
    assert tiny.ask("up", "dev", "--yes").code == 0
    before = tiny.database.read_bytes()
    for words in (("status",), ("up", "dev", "--yes")):
        answer = read_only(tiny, *words)
        assert answer.code == 1, answer.all
        assert "read-only" in answer.err
        assert "Traceback" not in answer.err, answer.err
    assert tiny.count("one") == 1
    assert tiny.database.read_bytes() == before


def read_only(tiny: Tiny, *words: str) -> Answer:
    """The answer where the state home may only be read."""
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(tiny.home), *CLI, *words],
        cwd=tiny.root,
        env=tiny.variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Answer(code=done.returncode, out=done.stdout, err=done.stderr)
