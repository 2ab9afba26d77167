"""A whole machine stands still past its lease, another one goes on: what if the first wakes up?"""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.crash.truths import host_id
from tests.e2e.projects import PROJECT, Begun, Tiny, made, of_home, stage, until
from tests.needs import needs_postgres, needs_pulumi
from tests.postgres import Postgres
from tests.pulumi import toy_provider

pytestmark = [pytest.mark.slow, needs_pulumi, needs_postgres]
PROGRAM = """\
import pulumi
config = pulumi.Config()
inputs = {"world": config.require("world"), "until": config.require("until")}
options = pulumi.ResourceOptions(version="9.9.9")
pulumi.CustomResource("lighthost:index:Host", "a", inputs, options)
"""
STATE = (
    "select version, kind, result, run, stage, attempt, digest, resources, pending "
    "from stack_versions order by version",
    "select digest from deployments order by digest",
    "select stack, version, active from stacks",
    "select number, status, lease_token, machine from runs order by number",
    "select stage, status, attempts from stages order by place",
    "select environment, token, held from leases",
)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One of several that share a store."""

    tiny: Tiny
    url: str
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        return {
            "PULUMI_HOME": str(self.folder / "pulumi"),
            "TOY_WORLD": str(self.tiny.world / "hosts"),
        }

    def ask(self, *words: str) -> str:
        answer = self.tiny.ask(*words, variables=self.variables)
        return f"{answer.code}: {answer.all}"

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(question.encode()).fetchall()

    def state(self) -> list[list[tuple[Any, ...]]]:
        return [self.rows(question) for question in STATE]


@pytest.fixture
def machines(postgres: Postgres, tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    """Two that share a store, a project and a world."""
    tiny = made(tmp_path, init=False)
    url = postgres.new_database().replace("postgresql+psycopg://", "postgresql://")
    _a_site(tiny, url)
    toy_provider.install(tmp_path / "pulumi")
    first = Machine(tiny=tiny, url=url, folder=tmp_path)
    assert tiny.ask("store", "init").code == 0
    second = replace(first, tiny=replace(tiny, home=tmp_path / "other", begun=[]))
    key = str(tiny.store / "keys.json")
    joined = second.tiny.ask("store", "join", "--key", key)
    assert joined.code == 0, joined.all
    yield first, second
    first.tiny.end()
    second.tiny.end()


def test_who_slept_past_the_lease_writes_nothing(machines: tuple[Machine, Machine]) -> None:
    """SIGSTOP of controller, attempt, CLI and provider; the other takes over; SIGCONT."""
    first, second = machines
    hosts = first.tiny.world / "hosts"
    up = first.tiny.begin("up", "dev", "--yes", variables=first.variables)
    until(lambda: list(hosts.glob("*.begun-*")), "the host is being created")
    stopped = _stopped(first, up)
    early = second.ask("retry", "dev#1")
    assert early.startswith("12:"), early  # its lease is not over
    with psycopg.connect(first.url) as connection:
        connection.execute("update leases set until = now() - interval '1 minute'")
    taken = second.ask("wait", "dev#1")
    assert taken.startswith("4:"), taken
    assert first.rows("select status from stages") == [("lost",)]
    (first.tiny.world / "go").touch()
    again = second.ask("retry", "dev#1")
    assert again.startswith("0:"), again
    before = first.state()
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    answer = up.answer()
    until(lambda: not _living(first), "all of the first machine has ended")
    assert answer.code != 0
    assert "Traceback" not in answer.all, answer.all
    assert "no longer" in answer.all, answer.all
    assert first.state() == before
    assert (hosts / host_id("a")).exists()


def _a_site(tiny: Tiny, url: str) -> None:
    (tiny.world / "hosts").mkdir()
    tiny.write("stacks/site/Pulumi.yaml", "name: site\nruntime: python\n")
    tiny.write("stacks/site/__main__.py", PROGRAM)
    config = {"world": str(tiny.world / "hosts"), "until": str(tiny.world / "go")}
    line = stage("site", {"pulumi": {"project": "stacks/site", "config": config}})
    head = PROJECT.format(id=tiny.id, store=f'"{url}"')
    tiny.write("orchestrator.yaml", f"{head}stages:\n{line}")
    tiny.environment("dev", "credentials: { pulumi: [TOY_WORLD] }\n")


def _living(machine: Machine) -> list[int]:
    return [*of_home(machine.tiny.home), *machine.tiny.marked()]


def _stopped(machine: Machine, up: Begun) -> list[int]:
    """Every process of the machine's stands still."""
    pids: list[int] = []
    while more := [pid for pid in {up.process.pid, *_living(machine)} if pid not in pids]:
        for pid in more:
            os.kill(pid, signal.SIGSTOP)
        pids += more
    return pids
