"""Does a playbook reach real hosts over SSH, and only the right ones?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from orchestrator.ansible.executor import AnsibleExecutor
from orchestrator.model.definitions import Cause, HostKeys, Skip
from orchestrator.model.events import StageEvent, TaskStarted
from orchestrator.model.runs import Status
from orchestrator.model.values import Secret
from orchestrator.procs import marked
from tests.ansible.projects import Site
from tests.lighthosts.fixtures import LightHost, light_site
from tests.needs import needs_light_hosts

pytestmark = needs_light_hosts
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtCuEYbRp5UzBFz0v1YvVbJ9m2vZ0u6bR1Ql0y2cJ0a"


@contextmanager
def _hosts(site: Site, count: int) -> Iterator[tuple[LightHost, ...]]:
    site.hosts("all: {}\n")
    with light_site(site.root, hosts=count) as light:
        yield light.hosts


def _value(hosts: tuple[LightHost, ...], **changed: Any) -> dict[str, Any]:
    """An inventory value of the hosts, all in group web."""
    return {
        "hosts": {
            host.name: {
                "address": "127.0.0.1",
                "port": host.ssh_port,
                "user": "root",
                "groups": ["web"],
                "host_key": host.host_key,
                **changed,
            }
            for host in hosts
        }
    }


def _spec(hosts: tuple[LightHost, ...], **changed: Any) -> dict[str, Any]:
    key = Secret(hosts[0].private_key.read_text())
    return {"inventory": (_value(hosts),), "ssh_key": key, **changed}


def test_hosts_are_reached_recognised_and_remembered(site: Site) -> None:
    """group_vars of the environment hold for generated hosts, facts are gathered once,
    a wrong pinned key is refused, and an unchanged stage is skipped while its hosts answer."""
    with _hosts(site, 2) as hosts:
        (site.inventories / "group_vars").mkdir()
        (site.inventories / "group_vars/web.yml").write_text("colour: green\n")
        site.write(
            "play.yml",
            "- hosts: web\n  tasks:\n"
            "    - copy: {content: '{{ colour }}', dest: /root/colour}\n"
            "    - debug: {msg: '{{ ansible_facts.hostname }}'}\n",
        )
        spec = _spec(hosts)
        outcome = site.apply(spec=spec)
        assert outcome.hosts == {"host-1": "changed", "host-2": "changed"}, outcome
        assert hosts[1].ssh("cat /root/colour") == "green"
        assert _gathered(site) == 2
        site.told.events.clear()
        outcome = site.apply(spec=spec)
        assert outcome.hosts == {"host-1": "ok", "host-2": "ok"}
        assert _gathered(site) == 0
        _assert_wrong_keys_are_refused(site, hosts)
        _assert_first_use_remembers(site, hosts)
        _assert_unchanged_while_they_answer(site, hosts)


def _gathered(site: Site) -> int:
    return sum(r.action == "ansible.builtin.gather_facts" for r in site.told.results())


def _assert_wrong_keys_are_refused(site: Site, hosts: tuple[LightHost, ...]) -> None:
    value = _value(hosts)
    value["hosts"]["host-2"]["host_key"] = OTHER_KEY
    outcome = site.apply(spec=_spec(hosts, inventory=(value,)))
    assert outcome.cause is Cause.UNREACHABLE
    assert outcome.hosts == {"host-1": "ok", "host-2": "unreachable"}
    assert "host_keys is pinned" in outcome.failures[0].what
    for host in value["hosts"].values():
        del host["host_key"]
    outcome = site.apply(spec=_spec(hosts, inventory=(value,)))
    assert set(outcome.hosts.values()) == {"unreachable"}


def _assert_first_use_remembers(site: Site, hosts: tuple[LightHost, ...]) -> None:
    value = _value(hosts)
    for host in value["hosts"].values():
        del host["host_key"]
    spec = _spec(hosts, inventory=(value,), host_keys=HostKeys.FIRST_USE)
    assert set(site.apply(spec=spec).hosts.values()) == {"ok"}
    remembered = site.cache / "known_hosts/dev"
    assert hosts[0].host_key.split()[1] in remembered.read_text()
    words = {host.host_key.split()[1] for host in hosts}
    text = remembered.read_text()
    for word in words:
        text = text.replace(word, OTHER_KEY.split()[1])
    remembered.write_text(text)
    assert set(site.apply(spec=spec).hosts.values()) == {"unreachable"}


def _assert_unchanged_while_they_answer(site: Site, hosts: tuple[LightHost, ...]) -> None:
    spec = _spec(hosts, skip=Skip.WHEN_UNCHANGED)
    executor = AnsibleExecutor()
    assert executor.unchanged(site.work(spec=spec), site.told) == "inputs equal, 2 hosts answer"
    assert executor.unchanged(site.work(spec=_spec(hosts)), site.told) == ""
    value = _value(hosts)
    value["hosts"]["host-1"]["port"] = 1
    gone = _spec(hosts, skip=Skip.WHEN_UNCHANGED, inventory=(value,))
    assert executor.unchanged(site.work(spec=gone), site.told) == ""


def test_an_unreachable_host_is_the_cause(site: Site) -> None:
    """A host that does not answer is told with ssh's words; the others are done; a retry
    of just that host reaches it once it is back."""
    with _hosts(site, 2) as hosts:
        site.tasks("- copy: {content: x, dest: /root/x}", hosts="web")
        value = _value(hosts)
        right = value["hosts"]["host-2"]["port"]
        value["hosts"]["host-2"]["port"] = 1
        outcome = site.apply(spec=_spec(hosts, inventory=(value,)))
        assert outcome.status is Status.FAILED
        assert outcome.cause is Cause.UNREACHABLE
        assert outcome.hosts == {"host-1": "changed", "host-2": "unreachable"}
        assert "refused" in outcome.failures[0].what
        value["hosts"]["host-2"]["port"] = right
        outcome = site.apply(spec=_spec(hosts, inventory=(value,)), only_hosts=("host-2",))
        assert outcome.hosts == {"host-2": "changed"}


def test_a_cancel_leaves_no_remote_command(site: Site) -> None:
    """After a cancel nothing runs here or there, and what was to follow does not happen."""
    with _hosts(site, 2) as hosts:
        site.tasks("- {name: slow, shell: 'sleep 4321; touch /root/done'}", hosts="web")
        work = site.work(spec=_spec(hosts))
        answers: list[Any] = []

        def ask(event: StageEvent) -> None:
            if isinstance(event, TaskStarted):
                threading.Thread(target=_cancel_once_it_runs, args=(work, hosts)).start()

        answers.append(AnsibleExecutor().apply(work, ask))
        assert answers[0].status is Status.CANCELLED
        assert marked(work.mark) == ()
        for host in hosts:
            assert _running(host) == ""
            assert host.ssh("ls /root/done 2>/dev/null || true") == ""


def _cancel_once_it_runs(work: Any, hosts: tuple[LightHost, ...]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not all(_running(host) for host in hosts):
        pass
    work.cancel.ask()


def _running(host: LightHost) -> str:
    return host.ssh("pgrep -f 'sleep 432[1]' || true")


def test_a_stage_of_one_host_has_its_own_connection(site: Site) -> None:
    """No ssh master, socket or folder of an attempt is left, and the key is not on disk."""
    with _hosts(site, 1) as hosts:
        site.tasks("- ping:", hosts="web")
        work = site.work(spec=_spec(hosts))
        assert site.apply(work).hosts == {"host-1": "ok"}
        assert marked(work.mark) == ()
        assert list(work.folder.iterdir()) == []
        again = site.work(spec=_spec(hosts))
        assert site.apply(replace(again, attempt=2)).hosts == {"host-1": "ok"}
