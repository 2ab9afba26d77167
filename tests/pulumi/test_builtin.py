"""Does a stack whose state lies in the store hold what the store promises? With the real CLI."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.model.runs import Changes, Status
from orchestrator.model.stacks import StackName, StackUpdate
from orchestrator.model.values import Secret
from orchestrator.procs import marked
from orchestrator.pulumi.service.server import served
from orchestrator.pulumi.service.service import StackService
from orchestrator.wiring.states import states_from
from tests.needs import needs_pulumi, pulumi_path
from tests.pulumi import toy_provider
from tests.pulumi.conftest import DYNAMIC
from tests.pulumi.stage import Stage
from tests.pulumi.test_faults import TOY, cli_of, wait_for

pytestmark = [needs_pulumi, pytest.mark.parametrize("stage", ["builtin"], indirect=True)]
NAME = StackName("site", "dev")


def slow(stage: Stage, seconds: int) -> Path:
    """A program whose second resource takes a while; the file that says it has begun."""
    stage.write(DYNAMIC)
    world = stage.root / "world"
    stage.spec["config"] = {"world": str(world), "slow": str(seconds)}
    return world / "b.begun"


def test_a_life_of_a_stack(stage: Stage) -> None:
    """Made, unchanged, changed, destroyed: every step is a version with its run, none has a URL."""
    stage.outputs = {"size": "int", "token": "secret(string)"}
    assert stage.do("apply").outcome.changes == Changes(create=3)
    same = stage.do("apply").outcome
    assert (same.changes, same.outputs["token"]) == (Changes(same=3), Secret("hush-hush"))
    stage.spec["config"] = {"size": 2}
    assert stage.do("apply").outcome.outputs["size"] == 2
    assert stage.do("destroy").outcome.changes.delete == 3
    assert not stage.exists
    with stage.store.read() as tx:
        versions = tx.stack_versions(NAME)
        contents = [tx.deployment(NAME, v.version) or b"" for v in versions]
    assert [v.kind for v in versions] == ["remove", "destroy", "update", "update", "update"]
    assert {v.result for v in versions} == {"succeeded"}
    assert {(v.run, v.stage) for v in versions} == {("dev#1", "site")}
    assert all(contents[1:])
    stored = b"".join(contents)
    assert b"127.0.0.1" not in stored
    assert b"hush-hush" not in stored


def test_two_updates_at_once(stage: Stage) -> None:
    """The second is refused in our words while the first goes on; then it may."""
    begun = slow(stage, 600)
    first = stage.start("apply")
    wait_for(begun.exists)
    mark, stage.name = stage.mark, "other"
    assert "is being changed by run dev#1, stage site, since" in stage.do("apply").error
    os.kill(cli_of(mark), signal.SIGKILL)
    stage.end(first)
    stage.spec["config"].pop("slow")
    assert "may or may not exist" in stage.do("apply").outcome.failures[0].what  # not: locked


def test_a_lost_lease_stops_the_update(stage: Stage) -> None:
    """Once another lease was taken, the next checkpoint is refused and the CLI ends."""
    begun = slow(stage, 4)
    attempt = stage.start("apply")
    wait_for(begun.exists)
    stage.take_lease(stage.store)
    with stage.store.read() as tx:
        before = tx.deployment(NAME)
    done = stage.end(attempt)
    assert done.last["kind"] == "ExecutorError", done.last
    assert "no longer the current one" in done.error
    assert "It is now run dev#1's, ana" in done.error
    with stage.store.read() as tx:
        assert tx.deployment(NAME) == before


def test_a_stale_lease_starts_nothing(stage: Stage) -> None:
    """An attempt whose lease was lost before it began changes nothing in the world."""
    begun = slow(stage, 0)
    stage.do("apply")
    begun.unlink()
    old = stage.token
    stage.take_lease(stage.store)
    stage.token = old
    stage.spec["config"]["v"] = 2
    assert "no longer the current one" in stage.do("apply").error
    assert json.loads((begun.parent / "a").read_text()) == 1


def test_a_state_that_moved_is_refused(stage: Stage) -> None:
    """An update made for one version of the state does not start from another."""
    stage.do("apply")
    stage.base_version = 0
    (failure,) = stage.do("apply").outcome.failures
    assert "at version 1, and this update was made for version 0" in failure.what
    stage.base_version = 1
    assert stage.do("apply").outcome.status is Status.SUCCEEDED


def test_a_killed_attempt_leaves_nothing_to_clear(stage: Stage) -> None:
    """Attempt and CLI killed in the middle of a create: the next run goes on, nothing is twice."""
    toy_provider.install(stage.root / "home")
    world = stage.root / "world"
    world.mkdir()
    stage.credentials = {"TOY_WORLD": str(world)}
    stage.write({"__main__.py": TOY})
    stage.spec["config"] = {"world": str(world), "more": {"slow": True}}
    attempt = stage.start("apply")
    wait_for(lambda: [p for p in world.iterdir() if ".begun" not in p.name])
    attempt.kill()
    attempt.communicate()
    for pid in marked(stage.mark):
        os.kill(pid, signal.SIGKILL)
    with stage.store.read() as tx:
        left = tx.stack(NAME)
    assert left is not None
    assert (left.pending, left.update is not None) == (1, True)
    stage.take_lease(stage.store)
    stage.spec["config"] = {"world": str(world)}
    outcome = stage.do("apply").outcome
    assert outcome.status is Status.SUCCEEDED, outcome.failures
    assert len(list(world.glob("*.begun-*"))) == 1
    with stage.store.read() as tx:
        results = [(v.kind, v.result) for v in tx.stack_versions(NAME)]
    assert results == [("update", "succeeded"), ("import", "succeeded"), ("update", "failed")]


@pytest.fixture
def service(stage: Stage) -> Iterator[StackService]:
    """The store's states, served for commands typed by hand."""
    with states_from({})(stage.work()) as service, served(service):
        yield service


def typed(stage: Stage, service: StackService, *words: str) -> subprocess.CompletedProcess[str]:
    """A plain `pulumi` command against the service."""
    login = stage.root / "login"
    login.mkdir(exist_ok=True)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(stage.root),
        "PULUMI_HOME": str(stage.root / "home"),
        "PULUMI_BACKEND_URL": service.states.url,
        "PULUMI_ACCESS_TOKEN": service.token,
        "PULUMI_CREDENTIALS_PATH": str(login),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    return subprocess.run(
        [str(pulumi_path()), *words, "--non-interactive", "--color", "never"],
        cwd=stage.program,
        env=env,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=120,
    )


def test_plain_pulumi_reads_the_stack(stage: Stage, service: StackService) -> None:
    """stack ls, export, output, history and tags by the ordinary command; secrets open."""
    stage.do("apply")
    on = ("--stack", "organization/site/dev")
    listed = typed(stage, service, "stack", "ls", "--json")
    assert [s["name"] for s in json.loads(listed.stdout)] == ["dev"], listed
    exported = typed(stage, service, "stack", "export", *on)
    assert len(json.loads(exported.stdout)["deployment"]["resources"]) == 3, exported
    shown = typed(stage, service, "stack", "output", "--json", "--show-secrets", *on)
    assert json.loads(shown.stdout)["token"] == "hush-hush", shown
    history = typed(stage, service, "stack", "history", "--json", *on)
    assert [h["result"] for h in json.loads(history.stdout)] == ["succeeded"], history
    tags = typed(stage, service, "stack", "tag", "ls", "--json", *on)
    assert json.loads(tags.stdout)["pulumi:project"] == "site", tags


def test_plain_pulumi_imports_only_what_is_whole(stage: Stage, service: StackService) -> None:
    """A state with a missing parent is refused by name; an exported one is taken back."""
    stage.do("apply")
    on = ("--stack", "organization/site/dev")
    body = json.loads(typed(stage, service, "stack", "export", *on).stdout)
    file = stage.root / "state.json"
    file.write_text(json.dumps(body))
    good = typed(stage, service, "stack", "import", "--file", str(file), *on)
    assert good.returncode == 0, good
    del body["deployment"]["resources"][0]
    file.write_text(json.dumps(body))
    bad = typed(stage, service, "stack", "import", "--force", "--file", str(file), *on)
    assert bad.returncode != 0
    assert "which is not in it" in bad.stderr, bad
    assert len(stage.deployment()["resources"]) == 3
    full = typed(stage, service, "stack", "rm", "--yes", *on)
    assert "still has resources" in full.stderr, full
    assert stage.do("destroy").outcome.status is Status.SUCCEEDED


def test_plain_pulumi_is_told_who_holds_the_stack(stage: Stage, service: StackService) -> None:
    """The CLI shows our own words where another update is under way, and where the lease is old."""
    stage.do("apply")
    on = ("--stack", "organization/site/dev", "--yes", "--skip-preview")
    states = service.states
    update = StackUpdate(
        id="u1",
        kind="update",
        by=replace(states.writer, stage="other"),
        since=states.now(),
        until=states.now() + timedelta(minutes=5),
    )
    with stage.store.write() as tx:
        tx.begin_update(NAME, update, base=None)
    told = typed(stage, service, "refresh", *on)
    assert told.returncode != 0
    assert "is being changed by run dev#1, stage other, since" in told.stderr, told
    stage.take_lease(stage.store)
    told = typed(stage, service, "refresh", *on)
    assert "no longer the current one. It is now run dev#1's, ana." in told.stderr, told


def test_plain_pulumi_renames_a_stack(stage: Stage, service: StackService) -> None:
    """Its versions, URNs and secrets go along; the old name is free."""
    stage.do("apply")
    on = ("--stack", "organization/site/dev")
    done = typed(stage, service, "stack", "rename", "organization/site/other", *on)
    assert done.returncode == 0, done
    now = ("--stack", "organization/site/other")
    shown = typed(stage, service, "stack", "output", "--json", "--show-secrets", *now)
    assert json.loads(shown.stdout)["token"] == "hush-hush", shown
    exported = typed(stage, service, "stack", "export", *now)
    urns = [r["urn"] for r in json.loads(exported.stdout)["deployment"]["resources"]]
    assert all(urn.startswith("urn:pulumi:other::site::") for urn in urns), urns
    gone = typed(stage, service, "stack", "export", *on)
    assert gone.returncode != 0
    with stage.store.read() as tx:
        kinds = [v.kind for v in tx.stack_versions(StackName("site", "other"))]
    assert kinds == ["rename", "update"]
