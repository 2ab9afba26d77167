"""What must be true after a process died, and once its work was taken up again?

Each function fails the test where its truth does not hold; `ground` is the project afterwards.
"""

import json
import sqlite3
from contextlib import closing

from tests.crash.scenarios import Ground
from tests.e2e.projects import Answer, until


def nothing_twice(ground: Ground) -> None:
    """Before a person said anything, no stage did its work more often than it should have."""
    for name, times in ground.scenario.effects.items():
        done = ground.tiny.count(name)
        assert done <= times, f"{name} did its work {done} times, not {times}"
    twice = list((ground.tiny.world / "hosts").glob("*.twice"))
    assert twice == [], "a host was created that was there already"


def lost_only_where_it_died(ground: Ground, *, attempts_died: bool) -> None:
    """Whoever kills a controller, or the parent of attempts, loses nothing of what they do."""
    if attempts_died or ground.scenario.name == "pending":  # where it is lost beforehand
        return
    lost = ground.tiny.rows("select stage from stages where status = 'lost'")
    assert lost == []


def said_is_recorded(ground: Ground, answer: Answer) -> None:
    """What the killed command told as done stands in the store."""
    ended = [line for line in answer.out.splitlines() if '"stage.finished"' in line]
    for line in ended:
        event = json.loads(line)
        rows = ground.tiny.rows(
            f"select status from stages where stage = '{event['stage']}' order by rowid desc"
        )
        assert rows, line


def succeeded_is_done(ground: Ground) -> None:
    """A stage of which the store says that it succeeded did its work; else it may not have."""
    rows = ground.tiny.rows(
        "select stage, status from stages s where rowid = "
        "(select max(rowid) from stages where stage = s.stage)"
    )
    for stage, status in rows:
        if status == "succeeded" and stage in ground.scenario.effects:
            assert ground.tiny.count(stage) >= 1, f"{stage} is called done, and is not"


def as_wanted(ground: Ground) -> None:
    """The world is what was asked for, and the store says so."""
    wanted = ground.scenario
    for name, times in wanted.effects.items():
        assert ground.tiny.count(name) >= times, f"{name} never did its work"
    if wanted.hosts is not None:
        assert set(_standing(ground)) == set(wanted.hosts)
        wanted_in_state = wanted.hosts if wanted.known is None else wanted.known
        assert _known(ground) == set(wanted_in_state)
    if wanted.held is not None:
        held = ground.tiny.rows("select purpose from leases where held")
        assert len(held) == wanted.held, held


def nothing_is_left(ground: Ground) -> None:
    """No process, attempt, lease or update under way; a database that is whole."""
    tiny = ground.tiny
    until(lambda: tiny.marked() == [], "every tool has ended")
    left = list((tiny.store / "attempts").rglob("attempt.lock"))
    assert left == []
    if ground.scenario.held is None:
        assert tiny.rows("select purpose from leases where held") == []
    assert tiny.rows("select count(*) from runs where ended_at is null") == [(0,)]
    assert tiny.rows("select count(*) from stacks where active <> 'null'") == [(0,)]
    with closing(sqlite3.connect(tiny.database)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("pragma foreign_key_check").fetchall() == []
    for number, started, ended in tiny.rows(
        "select r.number, sum(a.verb like '%.started'), sum(a.verb like '%.ended') "
        "from runs r left join audit a on a.subject like '%#' || r.number group by r.number"
    ):
        assert started == 1, f"run {number} was begun {started} times"
        assert ended >= 1, f"run {number} has no end in the audit"


def _standing(ground: Ground) -> list[str]:
    """Names of the hosts that are there; their ids are told by URN, so they are asked for it."""
    folder = ground.tiny.world / "hosts"
    ids = {host_id(name): name for name in "abc"}
    return [ids[path.name] for path in folder.iterdir() if path.name in ids]


def host_id(name: str) -> str:
    from orchestrator.pulumi.pending import derived_id

    return derived_id(f"urn:pulumi:dev::site::lighthost:index:Host::{name}")


def _known(ground: Ground) -> set[str]:
    """The hosts in the stack's state, by the command a person would ask."""
    answer = ground.ask("stack", "export", "dev", "site")
    if answer.code != 0:
        return set()
    deployment = json.loads(answer.out)["deployment"] or {}
    assert not deployment.get("pending_operations")
    hosts = [r for r in deployment.get("resources", ()) if r["type"] == "lighthost:index:Host"]
    return {resource["urn"].rpartition("::")[2] for resource in hosts}
