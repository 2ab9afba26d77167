"""Does anything stay behind of what was killed half-way?"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.lighthosts.hosts import State, create_host, delete_host, read_host
from orchestrator.lighthosts.places import Places, places_at
from orchestrator.lighthosts.ports import reserve_ports
from orchestrator.lighthosts.sites import create_site, delete_site, read_site
from tests.lighthosts.traces import namespaces_of, soon_no_traces
from tests.needs import needs_light_hosts

pytestmark = needs_light_hosts

SITE, HOST = "network-0000000half", "host-0000000half"
CREATOR = f"""
import sys
from pathlib import Path
from orchestrator.lighthosts.hosts import create_host
from orchestrator.lighthosts.places import places_at
from orchestrator.lighthosts.sites import create_site
where = places_at(Path(sys.argv[1]))
create_site(where, "{SITE}", "10.66.98.0/24")
create_host(where, "{HOST}", site="{SITE}", address="10.66.98.11", hostname="half", publish=[80])
"""
SITE_POINTS = ["", "site.json", "token", "pid", "ready", "forward.log", "forward.sock"]
HOST_POINTS = ["", "host.json", "up/etc/hostname", "token", "log", "pid", "up/var"]


@pytest.mark.parametrize("point", SITE_POINTS)
def test_a_site_killed_half_way_is_deleted_whole(tmp_path: Path, point: str) -> None:
    """Wherever its creator is killed, deleting the site leaves nothing of it."""
    with _killed_at(tmp_path, Path("sites", SITE, point)) as where:
        namespaces = namespaces_of(where)
        delete_site(where, SITE)
        assert soon_no_traces(where, ports=(), namespaces=namespaces) == []


@pytest.mark.parametrize("point", HOST_POINTS)
def test_a_host_killed_half_way_goes_with_its_site(tmp_path: Path, point: str) -> None:
    """Wherever its creator is killed, deleting the site alone leaves nothing of the host."""
    with _killed_at(tmp_path, Path("sites", SITE, "hosts", HOST, point)) as where:
        namespaces, ports = namespaces_of(where), reserve_ports(where, HOST, [22, 80]).values()
        delete_site(where, SITE)
        assert soon_no_traces(where, ports=ports, namespaces=namespaces) == []


@pytest.mark.parametrize("point", HOST_POINTS)
def test_a_host_killed_half_way_is_no_host_until_it_is_made_again(
    tmp_path: Path, point: str
) -> None:
    """read does not take a half-made host for one; a create makes it, a delete removes it."""
    with _killed_at(tmp_path, Path("sites", SITE, "hosts", HOST, point)) as where:
        assert read_host(where, HOST) is None
        create_site(where, SITE, "10.66.98.0/24")
        made = create_host(where, HOST, site=SITE, address="10.66.98.11", hostname="half")
        found = read_host(where, HOST)
        assert found == made
        assert found.state is State.RUNNING
        delete_host(where, HOST)
        assert read_host(where, HOST) is None
        assert not where.host_cgroup(SITE, HOST).exists()
        assert read_site(where, SITE) is not None


@contextmanager
def _killed_at(tmp_path: Path, mark: Path) -> Iterator[Places]:
    """The places of a creator that was killed as soon as this path appeared."""
    where = places_at(tmp_path / "lighthosts")
    creator = subprocess.Popen(
        [sys.executable, "-c", CREATOR, str(where.state)], stdin=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while not (where.state / mark).exists():
            assert creator.poll() is None, "it ended before"
            assert time.monotonic() < deadline
        creator.kill()
        creator.wait()
        yield where
    finally:
        creator.kill()
        creator.wait()
        delete_site(where, SITE)
