"""Is a light host a real host, and does nothing of it stay behind?"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.lighthosts import hosts
from orchestrator.lighthosts.cgroups import members
from orchestrator.lighthosts.errors import BadRequest, DidNotStart, NotThere
from orchestrator.lighthosts.hosts import State
from orchestrator.lighthosts.records import read_host_record, read_site_record, write_record
from orchestrator.lighthosts.sites import delete_site, read_site
from tests.lighthosts.fixtures import SITE, LightHost, LightSite, light_site
from tests.lighthosts.traces import namespaces_of, soon_no_traces, traces
from tests.needs import needs_light_hosts

pytestmark = needs_light_hosts


def test_a_host_runs_systemd_and_is_gone_without_a_trace(tmp_path: Path) -> None:
    """A host answers SSH with the key that was predicted, runs systemd, and leaves nothing."""
    with light_site(tmp_path, hosts=2) as site:
        first, second = site.hosts
        assert first.ssh("systemctl is-system-running").strip() == "running"
        assert first.ssh("hostname").strip() == "host-1"
        assert first.ssh(f"ping -c1 -W5 {second.address} >/dev/null && echo met").strip() == "met"
        ports, namespaces = _ports(site), namespaces_of(site.places)
        assert len(namespaces) == 3
        hosts.delete_host(site.places, first.id)
        assert not [line for line in traces(site.places) if first.id in line]
        assert second.ssh("echo still here").strip() == "still here"
    assert soon_no_traces(site.places, ports=ports, namespaces=namespaces) == []
    hosts.delete_host(site.places, first.id)  # once more: nothing happens
    delete_site(site.places, SITE)


def test_a_site_has_no_way_out(tmp_path: Path) -> None:
    """A packet to an address outside the site goes nowhere."""
    with light_site(tmp_path) as site:
        outside = site.hosts[0].ssh("ping -c1 -W1 198.51.100.1 2>&1 || true")
        assert "100% packet loss" in outside


def test_two_sites_of_one_subnet_stand_side_by_side(tmp_path: Path) -> None:
    """The same address twice on one machine is two hosts that do not meet."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with light_site(tmp_path / "a") as one, light_site(tmp_path / "b") as two:
        first, second = one.hosts[0], two.hosts[0]
        assert first.address == second.address
        first.ssh("echo one > /root/mine")
        assert second.ssh("ls /root").strip() == ""
        assert first.host_key != second.host_key


def test_packages_come_from_the_mirror(tmp_path: Path) -> None:
    """apt installs and starts nginx, and its port is reached from outside."""
    with light_site(tmp_path) as site:
        host = site.hosts[0]
        host.ssh("apt-get -q update && apt-get -qq install -y nginx-light 2>&1")
        assert host.ssh("systemctl is-active nginx").strip() == "active"
        assert b"nginx" in _http(host.published[80])


def test_a_killed_host_is_seen_and_made_anew(tmp_path: Path) -> None:
    """read answers None for a host killed behind our back; a create makes it again, once."""
    with light_site(tmp_path) as site:
        host = site.hosts[0]
        assert _made(site, host) == 1
        assert _again(site, host) == host.ssh_port  # healthy: taken as it is
        assert _made(site, host) == 1
        record = read_host_record(site.places.host(SITE, host.id) / "host.json")
        assert record is not None
        assert record.holder is not None
        os.kill(record.holder.pid, signal.SIGKILL)
        _until(lambda: hosts.read_host(site.places, host.id) is None)
        assert _again(site, host) == host.ssh_port
        assert _made(site, host) == 2
        assert host.ssh("echo back").strip() == "back"


def test_a_dead_forwarder_is_seen_and_mended(tmp_path: Path) -> None:
    """A host whose forwarder died is unreachable; an update reaches it again without a boot."""
    with light_site(tmp_path, hosts=2) as site:
        host = site.hosts[0]
        booted = host.ssh("cat /proc/sys/kernel/random/boot_id")
        procs = site.places.site_cgroup(SITE) / "forward" / "cgroup.procs"
        os.kill(int(procs.read_text()), signal.SIGKILL)
        _until(lambda: _state(site, host) is State.UNREACHABLE)
        for each in site.hosts:
            hosts.update_host(site.places, each.id, [80])
            assert _state(site, each) is State.RUNNING
        assert host.ssh("cat /proc/sys/kernel/random/boot_id") == booted


def test_published_ports_change_in_place(tmp_path: Path) -> None:
    """A port more is opened, one less is closed, and the host keeps running."""
    with light_site(tmp_path, publish=(80,)) as site:
        host = site.hosts[0]
        changed = hosts.update_host(site.places, host.id, [8080])
        assert set(changed.published) == {8080}
        assert changed.ssh_port == host.ssh_port
        with pytest.raises(ConnectionRefusedError):
            _http(host.published[80])
        host.ssh("systemd-run --quiet python3 -m http.server 8080 && sleep 0.1")
        _until(lambda: b"Directory" in _http(changed.published[8080]))


def test_a_reboot_keeps_the_disk_and_a_poweroff_waits_for_an_update(tmp_path: Path) -> None:
    """After `reboot` a host is back with its files; after `poweroff` it is off until an update."""
    with light_site(tmp_path) as site:
        host = site.hosts[0]
        before = host.ssh("echo kept > /root/file; cat /proc/sys/kernel/random/boot_id")
        host.ssh("systemctl reboot", check=False)
        _until(lambda: _boot_id(host) not in ("", before))
        assert host.ssh("cat /root/file").strip() == "kept"
        host.ssh("systemctl poweroff", check=False)
        _until(lambda: _state(site, host) is State.OFF)
        hosts.update_host(site.places, host.id, [80])
        assert host.ssh("cat /root/file").strip() == "kept"


def test_a_killed_site_is_seen(tmp_path: Path) -> None:
    """When the site's holder is killed, the site and its hosts are gone for read."""
    with light_site(tmp_path) as site:
        record = read_site_record(site.places.site(SITE) / "site.json")
        assert record is not None
        assert record.holder is not None
        os.kill(record.holder.pid, signal.SIGKILL)
        _until(lambda: read_site(site.places, SITE) is None)
        _until(lambda: hosts.read_host(site.places, site.hosts[0].id) is None)
        with pytest.raises(NotThere):
            hosts.update_host(site.places, site.hosts[0].id, [80])


def test_a_host_that_does_not_boot_says_why_and_is_gone(tmp_path: Path) -> None:
    """The error carries the end of its log, at once, and nothing of the host is left."""
    with light_site(tmp_path, hosts=0) as site:
        path = site.places.site(SITE) / "site.json"
        record = read_site_record(path)
        assert record is not None
        write_record(path, replace(record, base=str(tmp_path / "no-image")))
        with pytest.raises(DidNotStart, match=r"did not start: .*overlay"):
            hosts.create_host(
                site.places, "host-000000broken", site=SITE, address="10.66.99.50", hostname="b"
            )
        assert not [line for line in traces(site.places) if "broken" in line]


def test_an_address_has_one_host(tmp_path: Path) -> None:
    """A second host with an address is refused by the name of the first, in a preview as well."""
    with light_site(tmp_path) as site:
        where, taken = site.places, site.hosts[0].address
        for ask in (hosts.predict_host, hosts.create_host):
            with pytest.raises(BadRequest, match="belongs to another host, host-1"):
                ask(where, "host-0000000twin", site=SITE, address=taken, hostname="twin")
        for address, why in ("10.1.2.3", "not in the network"), (site.gateway, "is the gateway"):
            with pytest.raises(BadRequest, match=why):
                hosts.predict_host(where, "host-x", site=SITE, address=address, hostname="x")


def test_what_is_started_knows_nothing_of_who_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process of a site carries our environment or our open files, or belongs to our session."""
    monkeypatch.setenv("ORCHESTRATOR_ATTEMPT", "mark")
    with (tmp_path / "open").open("w") as ours, light_site(tmp_path) as site:
        os.set_inheritable(ours.fileno(), True)
        seen = [pid for pid in members(site.places.cgroups) if _is_apart(pid, tmp_path / "open")]
        assert len(seen) >= 8


def _ports(site: LightSite) -> list[int]:
    return [port for host in site.hosts for port in (host.ssh_port, *host.published.values())]


def _made(site: LightSite, host: LightHost) -> int:
    log = site.places.host(SITE, host.id) / "created.log"
    return len(log.read_text().splitlines())


def _again(site: LightSite, host: LightHost) -> int:
    made = hosts.create_host(
        site.places, host.id, site=SITE, address=host.address, hostname=host.name, publish=[80]
    )
    return made.ssh_port


def _state(site: LightSite, host: LightHost) -> State | None:
    found = hosts.read_host(site.places, host.id)
    return None if found is None else found.state


def _boot_id(host: LightHost) -> str:
    try:
        return host.ssh("cat /proc/sys/kernel/random/boot_id")
    except subprocess.CalledProcessError:
        return ""


def _is_apart(pid: int, ours: Path) -> bool:
    """False only where the process ended while we looked."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        session = os.getsid(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    assert b"ORCHESTRATOR_ATTEMPT" not in environment
    assert str(ours) not in links
    assert session != os.getsid(0)
    return True


def _http(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            return connection.recv(4096)
        except ConnectionResetError:
            return b""


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it did not come true within 30 s"
        time.sleep(0.02)
