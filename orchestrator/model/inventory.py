"""What may an inventory output hold?

`{hosts: {name: {address, port?, user?, groups, vars, host_key?}}}`
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

HOST_FIELDS = ("address", "port", "user", "groups", "vars", "host_key")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,252}")
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:\-]{0,252}")
_USER = re.compile(r"[a-z_][a-z0-9_\-]{0,31}")
_HOST_KEY = re.compile(r"(ssh|ecdsa|sk)-[a-z0-9@.\-]+ [A-Za-z0-9+/=]+( [^\r\n]*)?")


def inventory_problems(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Everything wrong with an inventory value; empty where it is right.

    Names, addresses and users are held to alphabets that neither Ansible nor ssh read as an
    option or a template; `ansible_*` names are refused (reference policy-and-security, 4.1-4.3).
    """
    hosts = value.get("hosts")
    if not isinstance(hosts, Mapping) or set(value) != {"hosts"}:
        return ("it must be {hosts: {name: {address: …}}}",)
    return tuple(text for name, host in hosts.items() for text in _host_problems(name, host))


def connection_names(value: Any, where: str = "") -> Iterator[str]:
    """Every key called ansible_* at any depth, with its path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            path = f"{where}.{key}" if where else str(key)
            if str(key).strip().lower().startswith("ansible_"):
                yield path
            yield from connection_names(item, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from connection_names(item, f"{where}[{index}]")


def _host_problems(name: str, host: Any) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield f"host name {name!r} has characters a host name cannot have"
    if not isinstance(host, Mapping):
        yield f"host '{name}' must be a map with an address"
        return
    for key in host:
        if key not in HOST_FIELDS:
            yield f"host '{name}' has unknown field '{key}'; fields: {', '.join(HOST_FIELDS)}"
    yield from _connection_problems(name, host)
    groups = host.get("groups", [])
    if not isinstance(groups, list) or not all(
        isinstance(group, str) and _GROUP.fullmatch(group) for group in groups
    ):
        yield f"host '{name}': groups must be a list of group names"
    if not isinstance(host.get("vars", {}), Mapping):
        yield f"host '{name}': vars must be a map"
    for path in connection_names(host.get("vars", {})):
        yield f"host '{name}': variable '{path}' is Ansible's own (ansible_*), refused in data"


def _connection_problems(name: str, host: Mapping[str, Any]) -> Iterator[str]:
    address, port, user = host.get("address"), host.get("port", 22), host.get("user", "root")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        yield f"host '{name}' needs an address (a host name or an IP), not {address!r}"
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        yield f"host '{name}': port must be 1 to 65535, not {port!r}"
    if not isinstance(user, str) or not _USER.fullmatch(user):
        yield f"host '{name}': user {user!r} is no user name"
    key = host.get("host_key")
    if key is not None and (not isinstance(key, str) or not _HOST_KEY.fullmatch(key)):
        yield f"host '{name}': host_key must read like 'ssh-ed25519 AAAA…'"
