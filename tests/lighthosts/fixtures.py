"""How does a test get real hosts to speak SSH to?

    with light_site(tmp_path, hosts=2) as site:
        site.hosts[0].ssh("uptime")

Mark the test with `tests.needs.needs_light_hosts`. A host takes about half a second.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.lighthosts.hosts import Host, create_host
from orchestrator.lighthosts.places import Places, places_at
from orchestrator.lighthosts.sites import create_site, delete_site

SITE = "network-00000000test"


@dataclass(frozen=True, slots=True, kw_only=True)
class LightHost:
    """A running host: reached as root at 127.0.0.1, ssh_port, with the private key's file.

    address: within its site, unreachable from outside. host_key: `ssh-ed25519 AAAA…`.
    published: port of the host to port of 127.0.0.1.
    """

    id: str
    name: str
    address: str
    ssh_port: int
    host_key: str
    private_key: Path
    published: Mapping[int, int]

    def ssh(self, command: str, *, check: bool = True) -> str:
        """What the command prints on the host. Raises CalledProcessError."""
        ran = subprocess.run(
            [*self.ssh_argv(), command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=check,
            text=True,
            timeout=120,
        )
        return ran.stdout

    def ssh_argv(self) -> list[str]:
        """The ssh command up to the host, with its key pinned and the user's own files left out."""
        known = self.private_key.with_name(f"{self.name}.known")
        known.write_text(f"[127.0.0.1]:{self.ssh_port} {self.host_key}\n")
        options = ["IdentitiesOnly=yes", f"UserKnownHostsFile={known}", "LogLevel=ERROR"]
        options += ["StrictHostKeyChecking=yes", "BatchMode=yes", "ConnectTimeout=10"]
        flags = [word for option in options for word in ("-o", option)]
        key, port = str(self.private_key), str(self.ssh_port)
        return ["ssh", "-F", "none", *flags, "-i", key, "-p", port, "root@127.0.0.1"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LightSite:
    """A running site with its hosts, named host-1, host-2 … at .11, .12 … of its cidr."""

    places: Places
    cidr: str
    gateway: str
    private_key: Path
    hosts: tuple[LightHost, ...]


@contextmanager
def light_site(
    tmp_path: Path, hosts: int = 1, *, publish: tuple[int, ...] = (80,), prefix: str = "10.66.99"
) -> Iterator[LightSite]:
    """A site with so many hosts, all answering SSH; nothing of it is left afterwards.

    Its state lies in tmp_path/lighthosts, so that sites of several tests run side by side.
    """
    where = places_at(tmp_path / "lighthosts")
    key = tmp_path / "lighthosts" / "client_key"
    try:
        site = create_site(where, SITE, f"{prefix}.0/24")
        key.touch(mode=0o600)
        key.write_text(site.keys.private)
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda n: _host(where, n, prefix, publish), range(1, hosts + 1)))
        yield LightSite(
            places=where,
            cidr=site.cidr,
            gateway=site.gateway,
            private_key=key,
            hosts=tuple(_light_host(host, key) for host in made),
        )
    finally:
        delete_site(where, SITE)


def _host(where: Places, number: int, prefix: str, publish: tuple[int, ...]) -> Host:
    return create_host(
        where,
        f"host-{number:08x}test",
        site=SITE,
        address=f"{prefix}.{10 + number}",
        hostname=f"host-{number}",
        publish=publish,
    )


def _light_host(host: Host, key: Path) -> LightHost:
    return LightHost(
        id=host.id,
        name=host.hostname,
        address=host.address,
        ssh_port=host.ssh_port,
        host_key=host.host_key,
        private_key=key,
        published=host.published,
    )
