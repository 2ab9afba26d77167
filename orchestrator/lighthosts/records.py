"""What is known of a site or a host, and how is it written whole or not at all?"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .processes import Process


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRecord:
    """A site as it was asked for, and its holder once it runs (None: half-made)."""

    id: str
    cidr: str
    gateway: str
    base: str
    mirror: str
    holder: Process | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """A host as it was asked for, and its holder once it runs (None: half-made).

    publish: ports beside 22 that are reached from outside; ports: host port to loopback port.
    """

    id: str
    site: str
    address: str
    hostname: str
    publish: tuple[int, ...]
    ports: dict[int, int] = field(default_factory=dict)
    holder: Process | None = None


def write_record(path: Path, record: SiteRecord | HostRecord) -> None:
    """The record stands in the file, whole, whatever happens now."""
    write_json(path, asdict(record))


def read_site_record(path: Path) -> SiteRecord | None:
    """The record in a site.json; None if there is none."""
    found = read_json(path)
    return None if found is None else SiteRecord(**found | {"holder": _holder(found)})


def read_host_record(path: Path) -> HostRecord | None:
    """The record in a host.json; None if there is none."""
    found = read_json(path)
    if found is None:
        return None
    ports = {int(port): int(local) for port, local in found["ports"].items()}
    shape = {"holder": _holder(found), "publish": tuple(found["publish"]), "ports": ports}
    return HostRecord(**found | shape)


def write_json(path: Path, value: Any) -> None:
    """Write by a temporary file and a rename."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
    os.replace(fresh, path)


def read_json(path: Path) -> Any:
    """What a JSON file holds; None if it does not exist."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _holder(found: dict[str, Any]) -> Process | None:
    return None if found["holder"] is None else Process(**found["holder"])
