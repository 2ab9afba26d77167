"""How does a molecule scenario get real hosts?

    python -m tests.roles.light create FOLDER web-1 db-1
    python -m tests.roles.light destroy FOLDER

FOLDER is molecule's ephemeral folder. A site of its own stands in FOLDER/lighthosts, and
FOLDER/inventory/light.json says how its hosts are reached; their groups stand in molecule.yml.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from orchestrator.lighthosts.errors import LightHostError
from orchestrator.lighthosts.hosts import Host, create_host
from orchestrator.lighthosts.places import Places, places_at
from orchestrator.lighthosts.sites import create_site, delete_site

SITE = "network-00000000role"
NETWORK = "10.66.98"
FIRST = 11
HTTP = 80


def create(folder: Path, names: list[str]) -> None:
    """The hosts run and answer SSH; molecule's inventory knows how. Raises LightHostError."""
    where = site_of(folder)
    site = create_site(where, SITE, f"{NETWORK}.0/24")
    with ThreadPoolExecutor(4) as pool:
        hosts = list(pool.map(lambda n: _made(where, n, names[n]), range(len(names))))
    key = where.state / "client_key"
    key.touch(mode=0o600)
    key.write_text(site.keys.private)
    known = where.state / "known_hosts"
    known.write_text("".join(f"[127.0.0.1]:{h.ssh_port} {h.host_key}\n" for h in hosts))
    inventory = _inventory_file(folder)
    inventory.parent.mkdir(parents=True, exist_ok=True)
    inventory.write_text(json.dumps(_inventory(hosts, key, known), indent=2))


def destroy(folder: Path) -> None:
    """Nothing is left of the site and its hosts, however far they were made."""
    delete_site(site_of(folder), SITE)
    _inventory_file(folder).unlink(missing_ok=True)


def site_of(folder: Path) -> Places:
    """Where the site of a scenario stands."""
    return places_at(folder / "lighthosts")


def _made(where: Places, number: int, name: str) -> Host:
    return create_host(
        where,
        f"host-{number:08x}role",
        site=SITE,
        address=f"{NETWORK}.{FIRST + number}",
        hostname=name,
        publish=(HTTP,),
    )


def _inventory(hosts: Iterable[Host], key: Path, known: Path) -> dict[str, Any]:
    """Ansible's inventory: all connections by SSH, with the host's key pinned."""
    options = ["IdentitiesOnly=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}"]
    shared = {
        "ansible_host": "127.0.0.1",
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": " ".join(["-F none", *(f"-o {o}" for o in options)]),
    }
    own = {
        host.hostname: {
            **shared,
            "ansible_port": host.ssh_port,
            "private_address": host.address,
            "url": f"http://127.0.0.1:{host.published[HTTP]}",
        }
        for host in hosts
    }
    return {"all": {"hosts": own}}


def _inventory_file(folder: Path) -> Path:
    return folder / "inventory" / "light.json"


def main(words: list[str]) -> int:
    """Run one command; the status is 0, or 1 with a message on standard error."""
    act, folder, *names = words
    try:
        if act == "create":
            create(Path(folder), names)
        else:
            destroy(Path(folder))
    except LightHostError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
