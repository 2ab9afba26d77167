"""One project with two runs, which all tests here look at and none changes."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.projects import Answer, Tiny, command, made, outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A project, and what its two runs said: dev#1 as NDJSON, dev#2 (failed) as plain lines."""

    tiny: Tiny
    good: Answer
    bad: Answer


@pytest.fixture(scope="session")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    folder = tmp_path_factory.mktemp("looked")
    world = folder / "world"
    script = f"echo hello; echo oops >&2; {outputs(url='http://127.0.0.1:1/', token='t0ken-77')}"
    tiny = made(
        folder,
        command(world, "one", script, outputs={"url": "url", "token": "secret(string)"}),
        command(world, "two", f"test ! -e {world}/broken", needs=["one"]),
        command(world, "three", needs=["two"]),
    )
    good = tiny.ask("--json", "up", "dev", "--yes")
    assert good.code == 0, good.all
    (world / "broken").touch()
    bad = tiny.ask("-v", "up", "dev", "--yes")
    assert bad.code == 4, bad.all
    yield Looked(tiny=tiny, good=good, bad=bad)
    tiny.end()
