"""How is a host made, looked at, changed and taken away?

A host is a network namespace on its site's bridge and an overlay root with systemd as PID 1 and
sshd. Its key, ports and identity are known before it exists (predict_host).
"""

from __future__ import annotations

import ipaddress
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from . import cgroups, disk
from .errors import BadRequest, DidNotStart, LightHostError, NotThere
from .forwards import ensure_forwarder, forwarded, publish, withdraw
from .keys import key_pair, machine_secret
from .locks import locked
from .places import Places
from .ports import release_ports, reserve_ports
from .processes import has_ended, launch, log_tail, process
from .records import (
    HostRecord,
    SiteRecord,
    read_host_record,
    read_site_record,
    write_record,
)
from .sites import gateway_of, init_pid, site_runs
from .sshd import answers_ssh, sshd_listens

_SCRIPT = Path(__file__).with_name("host.sh")
_START_WITHIN = 30.0
_POWERED_OFF = "130"
"""The status of unshare whose child switched the machine off."""


class State(Enum):
    """What a host is found to be."""

    RUNNING = "running"
    UNREACHABLE = "unreachable"  # it runs, and a published port or sshd does not answer
    OFF = "off"  # it switched itself off; its disk is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host as it is, or (predicted) as it will be.

    ssh_port and the values of published are ports on 127.0.0.1; published's keys are its own ports.
    host_key is `ssh-ed25519 AAAA…`.
    """

    id: str
    site: str
    address: str
    hostname: str
    publish: tuple[int, ...]
    ssh_port: int
    host_key: str
    published: Mapping[int, int]
    state: State


def predict_host(
    places: Places,
    host: str,
    *,
    site: str | None,
    address: str,
    hostname: str,
    publish: Iterable[int] = (),
) -> Host:
    """What create_host would answer; reserves its ports, changes nothing else.

    site: None while its id is not known; checks against the site are then left out.
    Raises BadRequest.
    """
    wanted = tuple(sorted(set(publish)))
    check_request(hostname, address, wanted)
    site_record = read_site_record(places.site(site) / "site.json") if site else None
    if site_record is not None:
        check_address(site_record.cidr, address)
        _check_unclaimed(places, site_record.id, host, address)
    ports = reserve_ports(places, host, (22, *wanted))
    record = HostRecord(
        id=host, site=site or "", address=address, hostname=hostname, publish=wanted, ports=ports
    )
    return _host(places, record, State.RUNNING)


def create_host(
    places: Places,
    host: str,
    *,
    site: str,
    address: str,
    hostname: str,
    publish: Iterable[int] = (),
) -> Host:
    """The host runs and answers SSH. A healthy one with the same inputs is taken as it is, anything
    else of this id is taken away and made anew.

    Raises BadRequest, NotThere (no such site), MachineCannot, DidNotStart.
    """
    if places.site_of(host) not in (None, site):
        delete_host(places, host)  # half-deleted when it moved to another network
    with locked(places.lock(site), shared=True), locked(places.lock(host)):
        site_record = _site(places, site)
        asked = {"address": address, "hostname": hostname, "publish": publish}
        wanted = _record_of(predict_host(places, host, site=site, **asked))  # type: ignore[arg-type]
        found = read_host_record(places.host(site, host) / "host.json")
        same = found is not None and replace(found, holder=None) == wanted
        if found is not None and same and _state(places, found) is State.RUNNING:
            return _host(places, found, State.RUNNING)
        made = disk.creations(places.host(site, host))
        _tear_down(places, site, host)
        try:
            record = _make(places, site_record, wanted, made)
        except LightHostError:
            _tear_down(places, site, host)  # nobody else would: for Pulumi it never existed
            raise
        return _host(places, record, State.RUNNING)


def read_host(places: Places, host: str) -> Host | None:
    """The host as it really is; None if it does not exist, is half-made or was killed."""
    site = places.site_of(host)
    record = read_host_record(places.host(site, host) / "host.json") if site else None
    if record is None:
        return None
    state = _state(places, record)
    return None if state is None else _host(places, record, state)


def update_host(places: Places, host: str, publish: Iterable[int]) -> Host:
    """The host publishes just these ports, runs and answers: what was closed or off is started.

    Its disk is kept and its open connections go on. Raises NotThere, MachineCannot, DidNotStart.
    """
    site = places.site_of(host)
    if site is None:
        raise NotThere(f"host {host} does not exist", then="refresh and bring it up again")
    with locked(places.lock(site), shared=True), locked(places.lock(host)):
        site_record, folder = _site(places, site), places.host(site, host)
        record = read_host_record(folder / "host.json")
        state = None if record is None else _state(places, record)
        if record is None or state is None:
            raise NotThere(f"host {host} does not run", then="refresh and bring it up again")
        wanted = tuple(sorted(set(publish)))
        check_request(record.hostname, record.address, wanted)
        ports = reserve_ports(places, host, (22, *wanted))
        record = replace(record, publish=wanted, ports=ports)
        if state is State.OFF:
            record = _start(places, site_record, record)
        record = _open(places, site_record, record)
        release_ports(places, host, keep=ports)
        return _host(places, record, State.RUNNING)


def delete_host(places: Places, host: str) -> None:
    """Nothing is left of the host, however far it was made, nor of its port reservations."""
    site = places.site_of(host)
    if site is not None:
        with locked(places.lock(site), shared=True), locked(places.lock(host)):
            _tear_down(places, site, host)
    release_ports(places, host)


def check_address(cidr: str, address: str) -> None:
    """Raises BadRequest unless a host of this network may have this address."""
    network = ipaddress.IPv4Network(cidr)
    if ipaddress.IPv4Address(address) not in network:
        raise BadRequest(
            f"address {address} is not in the network {cidr}", then=f"choose one in {cidr}"
        )
    if address == gateway_of(cidr):
        raise BadRequest(f"address {address} is the gateway of {cidr}", then="choose another")
    if address in (str(network.network_address), str(network.broadcast_address)):
        raise BadRequest(f"address {address} is no host's in {cidr}", then="choose another")


def check_request(hostname: str, address: str, publish: Iterable[int]) -> None:
    """Raises BadRequest unless a host can have this name, address and published ports."""
    try:
        ipaddress.IPv4Address(address)
    except ValueError as error:
        raise BadRequest(f"address {address!r} is not an IPv4 address", why=str(error)) from error
    letters = hostname.replace("-", "a")
    if not (letters.isascii() and letters.isalnum()) or hostname != hostname.strip("-"):
        raise BadRequest(f"hostname {hostname!r} may hold letters, digits and inner hyphens only")
    if len(hostname) > 63:
        raise BadRequest(f"hostname {hostname!r} is longer than 63 characters")
    for port in publish:
        if not 1 <= port <= 65535:
            raise BadRequest(f"published port {port} is not between 1 and 65535")


def _check_unclaimed(places: Places, site: str, host: str, address: str) -> None:
    for folder in places.site(site).glob("hosts/*"):
        other = read_host_record(folder / "host.json")
        if other is not None and other.address == address and other.id != host:
            raise BadRequest(
                f"address {address} belongs to another host, {other.hostname} ({other.id})",
                then="choose another address, or destroy that host first"
                f" (by hand: `python -m orchestrator.lighthosts destroy {other.id}`)",
            )


def _site(places: Places, site: str) -> SiteRecord:
    record = read_site_record(places.site(site) / "site.json")
    if record is None or not site_runs(record):
        raise NotThere(f"network {site} does not run", then="refresh and bring it up again")
    return record


def _record_of(host: Host) -> HostRecord:
    ports = {22: host.ssh_port, **host.published}
    return HostRecord(
        id=host.id,
        site=host.site,
        address=host.address,
        hostname=host.hostname,
        publish=host.publish,
        ports=ports,
    )


def _host(places: Places, record: HostRecord, state: State) -> Host:
    return Host(
        id=record.id,
        site=record.site,
        address=record.address,
        hostname=record.hostname,
        publish=record.publish,
        ssh_port=record.ports[22],
        host_key=key_pair(machine_secret(places.state), "host", record.id).public,
        published={port: record.ports[port] for port in record.publish},
        state=state,
    )


def _state(places: Places, record: HostRecord) -> State | None:
    """None: gone, or never finished. Asks the kernel and the host itself, not the record."""
    site = read_site_record(places.site(record.site) / "site.json")
    if record.holder is None or site is None or not site_runs(site):
        return None
    if not record.holder.alive():
        ended = places.host(record.site, record.id) / "ended"
        switched_off = ended.exists() and ended.read_text().strip() == _POWERED_OFF
        return State.OFF if switched_off else None
    open_now = (forwarded(places, record.site) or {}).get(record.id, [])
    reached = set(record.ports) <= set(open_now) and answers_ssh(record.ports[22], within=5.0)
    return State.RUNNING if reached else State.UNREACHABLE


def _make(places: Places, site: SiteRecord, record: HostRecord, made: list[str]) -> HostRecord:
    folder = places.host(site.id, record.id)
    with locked(places.site(site.id) / "claims.lock", keep=True):
        _check_unclaimed(places, site.id, record.id, record.address)
        folder.mkdir()
        write_record(folder / "host.json", record)
    secret = machine_secret(places.state)
    disk.lay_out(
        folder,
        record,
        gateway=site.gateway,
        host_key=key_pair(secret, "host", record.id),
        client_key=key_pair(secret, "client", site.id).public,
    )
    record = _start(places, site, record)
    record = _open(places, site, record)
    disk.note_creation(folder, made)
    return record


def _start(places: Places, site: SiteRecord, record: HostRecord) -> HostRecord:
    folder, cgroup = places.host(site.id, record.id), places.host_cgroup(site.id, record.id)
    cgroups.end(cgroup)
    for part in ("holder", "init"):
        (cgroup / part).mkdir(parents=True)
    for stale in ("pid", "ended"):
        (folder / stale).unlink(missing_ok=True)
    token = str(time.time_ns())
    (folder / "token").write_text(token + "\n")
    variables = {
        "LH_FOLDER": str(folder),
        "LH_CGROUP": str(cgroup),
        "LH_TOKEN": token,
        "LH_SITE_PID": str(init_pid(site)),
        "LH_LINK": "v" + record.id[-12:],
        "LH_MAC": _mac_of(record.address),
        "LH_ADDRESS": record.address,
        "LH_PREFIX": site.cidr.partition("/")[2],
        "LH_GATEWAY": site.gateway,
        "LH_HOSTNAME": record.hostname,
        "LH_BASE": site.base,
        "LH_SCRIPT": str(_SCRIPT),
    }
    launch(["sh", str(_SCRIPT), "hold"], log=folder / "log", cwd=Path("/"), variables=variables)
    return _wait(folder, cgroup, record)


def _wait(folder: Path, cgroup: Path, record: HostRecord) -> HostRecord:
    deadline = time.monotonic() + _START_WITHIN
    while time.monotonic() < deadline and not has_ended(folder / "pid"):
        if sshd_listens(cgroup / "holder"):
            holder = process(int((folder / "pid").read_text()))
            if holder is not None:
                record = replace(record, holder=holder)
                write_record(folder / "host.json", record)
                return record
        time.sleep(0.015)
    raise DidNotStart(
        f"host {record.hostname} ({record.id}) did not start",
        why=log_tail(folder / "log"),
        then="bring it up again: it is then made anew",
    )


def _open(places: Places, site: SiteRecord, record: HostRecord) -> HostRecord:
    """The ports are open and sshd answers with its banner through them."""
    ensure_forwarder(places, site.id, init_pid(site))
    publish(places, record)
    if not answers_ssh(record.ports[22], within=_START_WITHIN):
        raise DidNotStart(
            f"host {record.hostname} ({record.id}) runs, but sshd does not answer",
            then="destroy it and bring it up again",
        )
    write_record(places.host(site.id, record.id) / "host.json", record)
    return record


def _mac_of(address: str) -> str:
    """From the address: a new MAC on an old address costs 11-35 s of stale ARP."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def _tear_down(places: Places, site: str, host: str) -> None:
    withdraw(places, site, host)
    cgroups.end(places.host_cgroup(site, host))
    folder = places.host(site, host)
    if folder.exists():
        shutil.rmtree(folder)
