"""Are ports and keys known before a host exists, and always the same?"""

from __future__ import annotations

import socket
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
)

from orchestrator.lighthosts.keys import key_pair, machine_secret
from orchestrator.lighthosts.places import Places
from orchestrator.lighthosts.ports import FIRST, LAST, release_ports, reserve_ports
from tests.needs import needs_ssh


@pytest.fixture
def where(tmp_path: Path) -> Places:
    """Places without a cgroup: nothing is started here."""
    (tmp_path / "sites").mkdir()
    return Places(state=tmp_path, cgroups=tmp_path / "no-cgroups")


def test_a_reservation_is_kept(where: Places) -> None:
    """Asked again, a host gets the same ports; released, none of it stays reserved."""
    ports = reserve_ports(where, "host-a", [22, 80])
    assert reserve_ports(where, "host-a", [80, 22]) == ports
    assert all(FIRST <= port <= LAST for port in ports.values())
    release_ports(where, "host-a", keep=[22])
    assert reserve_ports(where, "host-a", [22]) == {22: ports[22]}
    release_ports(where, "host-a")
    assert (where.state / "ports.json").read_text() == "{}\n"


def test_ports_are_chosen_by_the_host_not_by_the_order(where: Places, tmp_path: Path) -> None:
    """A registry lost and made anew gives the same port again."""
    first = reserve_ports(where, "host-a", [22])
    (tmp_path / "ports.json").unlink()
    reserve_ports(where, "host-b", [22])
    assert reserve_ports(where, "host-a", [22]) == first


def test_a_port_that_somebody_else_uses_is_passed_over(where: Places) -> None:
    """A taken port is not handed out, and a reservation that was taken meanwhile moves."""
    reserved = reserve_ports(where, "host-a", [22])[22]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", reserved))
        taken.listen()
        moved = reserve_ports(where, "host-a", [22])[22]
    assert moved != reserved


def test_many_at_once_never_share_a_port(where: Places) -> None:
    """Forty hosts that ask at the same time get eighty ports."""
    with ThreadPoolExecutor(8) as pool:
        asked = pool.map(lambda n: reserve_ports(where, f"host-{n}", [22, 80]), range(40))
        assert len({port for ports in asked for port in ports.values()}) == 80


def test_the_secret_is_made_once_and_is_ours_alone(tmp_path: Path) -> None:
    """All who ask at once get the same 32 bytes, in a file only we may read."""
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: machine_secret(tmp_path), range(16)))
    assert len(secrets) == 1
    assert len(secrets.pop()) == 32
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_key_is_derived_from_secret_purpose_and_thing() -> None:
    """The same of all three gives the same key, byte for byte; any other another."""
    key = key_pair(b"s" * 32, "host", "host-a")
    assert key == key_pair(b"s" * 32, "host", "host-a")
    others = [(b"t" * 32, "host", "host-a"), (b"s" * 32, "client", "host-a")]
    others.append((b"s" * 32, "host", "host-b"))
    assert len({key.public, *(key_pair(*other).public for other in others)}) == 4
    assert key.private not in repr(key)


def test_cryptography_reads_the_private_key() -> None:
    """The OpenSSH text that we write by hand is a key, of the public key beside it."""
    key = key_pair(b"s" * 32, "client", "network-a")
    read = load_ssh_private_key(key.private.encode(), None).public_key()
    assert read.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() == key.public


@needs_ssh
def test_openssh_reads_the_private_key(tmp_path: Path) -> None:
    """ssh-keygen finds the same public key in it."""
    key = key_pair(b"s" * 32, "client", "network-a")
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(key.private)
    said = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(path)], check=True, capture_output=True, text=True
    )
    assert said.stdout.split()[:2] == key.public.split()
