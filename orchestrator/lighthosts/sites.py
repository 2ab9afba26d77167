"""How is a site made, looked at and taken away?

A site is one sandbox (network, mount and PID namespace without a route out) with a bridge, the
gateway's address on it, a package mirror and a forwarder. Everything in it ends with its cgroup.
"""

from __future__ import annotations

import ipaddress
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from . import cgroups
from .errors import BadRequest, DidNotStart, LightHostError
from .forwards import ensure_forwarder
from .image import Image, require_image
from .keys import KeyPair, key_pair, machine_secret
from .locks import locked
from .machine import prepare_machine
from .places import Places
from .ports import release_ports
from .processes import Process, children, has_ended, launch, log_tail, process
from .records import SiteRecord, read_site_record, write_record

_SCRIPT = Path(__file__).with_name("site.sh")
_START_WITHIN = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site as it is, or (predicted) as it will be. keys: what its hosts let in as root."""

    id: str
    cidr: str
    gateway: str
    keys: KeyPair


def predict_site(places: Places, site: str, cidr: str) -> Site:
    """What create_site would answer; changes nothing. Raises BadRequest."""
    keys = key_pair(machine_secret(places.state), "client", site)
    return Site(id=site, cidr=cidr, gateway=gateway_of(cidr), keys=keys)


def create_site(places: Places, site: str, cidr: str) -> Site:
    """The site runs. A healthy one of this id and cidr is taken as it is, a half-made one anew.

    Raises BadRequest, MachineCannot, ImageMissing, DidNotStart.
    """
    wanted = predict_site(places, site, cidr)
    prepare_machine()
    with locked(places.lock(site)):
        record = read_site_record(places.site(site) / "site.json")
        if record is None or record.cidr != cidr or not site_runs(record):
            _tear_down(places, site)
            record = _made_or_gone(places, wanted)
        ensure_forwarder(places, site, init_pid(record))
    return wanted


def read_site(places: Places, site: str) -> Site | None:
    """The site if it really runs; None if it does not exist, is half-made or was killed."""
    record = read_site_record(places.site(site) / "site.json")
    if record is None or not site_runs(record):
        return None
    return predict_site(places, site, record.cidr)


def delete_site(places: Places, site: str) -> None:
    """Nothing is left of the site and all its hosts, however far they were made."""
    with locked(places.lock(site)):
        _tear_down(places, site)


def gateway_of(cidr: str) -> str:
    """The first address of a network. Raises BadRequest unless IPv4 with room for two hosts."""
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise BadRequest(
            f"cidr {cidr!r} is not an IPv4 network", why=str(error), then="write 10.66.10.0/24"
        ) from error
    if network.prefixlen > 29:
        raise BadRequest(f"cidr {cidr!r} is too small", then="use a prefix of /29 or shorter")
    return str(network[1])


def site_runs(record: SiteRecord) -> bool:
    """Whether the site was finished and its holder is that very process, alive, with its child."""
    return record.holder is not None and record.holder.alive() and bool(children(record.holder.pid))


def init_pid(record: SiteRecord) -> int:
    """The process whose namespaces are the site's. Raises DidNotStart if it is gone."""
    found = children(record.holder.pid) if record.holder and record.holder.alive() else []
    if not found:
        raise DidNotStart(f"site {record.id} does not run", then="refresh and bring it up again")
    return found[0]


def _made_or_gone(places: Places, wanted: Site) -> SiteRecord:
    image = require_image()
    try:
        return _make(places, wanted, image)
    except LightHostError:
        _tear_down(places, wanted.id)  # nobody else would: for Pulumi it never existed
        raise


def _make(places: Places, wanted: Site, image: Image) -> SiteRecord:
    folder = places.site(wanted.id)
    record = SiteRecord(
        id=wanted.id,
        cidr=wanted.cidr,
        gateway=wanted.gateway,
        base=str(image.base),
        mirror=str(image.mirror),
    )
    (folder / "hosts").mkdir(parents=True)
    write_record(folder / "site.json", record)
    cgroup = places.site_cgroup(wanted.id) / "site"
    cgroups.make(cgroup)
    _launch(folder, record, cgroup)
    record = replace(record, holder=_wait(folder, wanted.id))
    write_record(folder / "site.json", record)
    return record


def _launch(folder: Path, record: SiteRecord, cgroup: Path) -> None:
    token = str(time.time_ns())
    (folder / "token").write_text(token + "\n")
    variables = {
        "LH_FOLDER": str(folder),
        "LH_CGROUP": str(cgroup),
        "LH_TOKEN": token,
        "LH_GATEWAY": record.gateway,
        "LH_PREFIX": record.cidr.partition("/")[2],
        "LH_MIRROR": record.mirror,
        "LH_PYTHON": sys.executable,
        "LH_SCRIPT": str(_SCRIPT),
    }
    launch(["sh", str(_SCRIPT), "hold"], log=folder / "log", cwd=Path("/"), variables=variables)


def _wait(folder: Path, site: str) -> Process:
    deadline = time.monotonic() + _START_WITHIN
    while time.monotonic() < deadline and not has_ended(folder / "pid"):
        if (folder / "ready").exists():
            holder = process(int((folder / "pid").read_text()))
            if holder is not None:
                return holder
        time.sleep(0.005)
    raise DidNotStart(f"site {site} did not start", why=log_tail(folder / "log"))


def _tear_down(places: Places, site: str) -> None:
    """The folder goes last: while it is there, a repeated delete finds all that was in it."""
    cgroups.end(places.site_cgroup(site))
    folder = places.site(site)
    for host in folder.glob("hosts/*"):
        release_ports(places, host.name)
        places.lock(host.name).unlink(missing_ok=True)  # free: whoever holds it holds ours too
    if folder.exists():
        shutil.rmtree(folder)
    with suppress(OSError):  # other sites live in it, or it is gone
        places.cgroups.rmdir()
