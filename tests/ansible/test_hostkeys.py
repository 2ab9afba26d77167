"""By which keys is a host recognised?"""

from __future__ import annotations

import base64
import hmac

from orchestrator.ansible.hostkeys import pinned_lines, without
from orchestrator.ansible.inventory import Host

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
