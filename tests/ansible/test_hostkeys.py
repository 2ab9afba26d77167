"""By which keys is a host recognised?"""

from __future__ import annotations

import base64
import hmac

import pytest

from orchestrator.ansible.hostkeys import pinned_lines, ssh_options, without
from orchestrator.ansible.inventory import Host
from orchestrator.model.definitions import HostKeys
from tests.ansible.projects import Site

KEY = "ssh-ed25519 AAAAC3Nz"


def _hashed(name: str) -> str:
    salt = b"01234567890123456789"
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def test_ports_stand_in_brackets() -> None:
    """A port other than 22 is part of a host's name; comments of a key are left out."""
    hosts = [
        Host(name="a", address="10.0.0.1", key=f"{KEY} root@a"),
        Host(name="b", address="127.0.0.1", port=2222, key=KEY),
        Host(name="c", address="10.0.0.3"),
    ]
    assert pinned_lines(hosts) == [f"10.0.0.1 {KEY}\n", f"[127.0.0.1]:2222 {KEY}\n"]


def test_each_policy_has_its_files(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned hosts are known by their key alone; static ones by files of the team and the user."""
    monkeypatch.setenv("HOME", str(site.root))
    (site.root / ".ssh").mkdir()
    (site.root / ".ssh/known_hosts").write_text(f"10.0.0.1 {KEY}old\n10.0.0.8 {KEY}8")
    (site.inventories / "known_hosts").write_text(f"10.0.0.9 {KEY}9\n")
    hosts = [Host(name="a", address="10.0.0.1", key=KEY)]
    own = site.root / "own"
    own.mkdir()
    options = ssh_options(site.work(), HostKeys.PINNED, hosts, own)
    assert "StrictHostKeyChecking=yes" in options
    assert f'UserKnownHostsFile="{own}/known_hosts"' in options
    lines = (own / "known_hosts").read_text().splitlines()
    assert lines == [f"10.0.0.1 {KEY}", f"10.0.0.9 {KEY}9", f"10.0.0.8 {KEY}8"]
    assert ssh_options(site.work(), HostKeys.KNOWN_HOSTS, hosts, own) == [
        "-o",
        "StrictHostKeyChecking=yes",
    ]


def test_lines_naming_a_pinned_host_are_left_out() -> None:
    """Plain, listed, hashed, wildcard and authority lines are recognised; the others stay."""
    lines = [
        f"10.0.0.1 {KEY}",
        f"other,10.0.0.1 {KEY}",
        f"{_hashed('10.0.0.1')} {KEY}",
        f"10.0.* {KEY}",
        f"@cert-authority * {KEY}",
        f"{_hashed('10.0.0.2')} {KEY}",
        f"[10.0.0.1]:2222 {KEY}",
        "# a comment",
        "",
    ]
    left = list(without(lines, ["10.0.0.1"]))
    assert left == [f"{_hashed('10.0.0.2')} {KEY}\n", f"[10.0.0.1]:2222 {KEY}\n"]
    assert list(without([f"[127.0.0.1]:2222 {KEY}"], ["[127.0.0.1]:2222"])) == []
