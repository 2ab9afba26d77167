"""What does each resource type do when Pulumi asks? (Plain values in and out, no gRPC.)

Ids are a pure function of the URN, so that a create killed half-way is the same thing when it is
repeated or imported.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import hosts, sites
from .errors import BadRequest, LightHostError
from .image import require_image
from .machine import require_machine
from .places import Places
from .schema import HOST, NETWORK

Properties = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A resource as it is. inputs: what one would have to ask for to get it. secrets: names."""

    inputs: Properties
    outputs: Properties
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What of a resource differs. replace: those that cannot change in place."""

    update: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()


class Provided(Protocol):
    """One resource type. `unknown` is the value of an input that is not known yet."""

    @property
    def prefix(self) -> str: ...

    def check(self, name: str, inputs: Properties) -> tuple[Properties, dict[str, str]]: ...
    def diff(self, old: Properties, new: Properties) -> Change: ...
    def create(self, id_: str, inputs: Properties, *, preview: bool) -> Found: ...
    def read(self, id_: str) -> Found | None: ...
    def update(self, id_: str, inputs: Properties, *, preview: bool) -> Found: ...
    def delete(self, id_: str) -> None: ...


def id_of(prefix: str, urn: str) -> str:
    """The id of the resource with this URN: prefix, hyphen, 12 hex digits."""
    return f"{prefix}-{hashlib.sha256(urn.encode()).hexdigest()[:12]}"


def provided(places: Places, *, unknown: str) -> dict[str, Provided]:
    """All resource types, by their token."""
    planned = Planned()
    return {
        NETWORK: Networks(places=places, planned=planned, unknown=unknown),
        HOST: Hosts(places=places, planned=planned, unknown=unknown),
    }


@dataclass(slots=True)
class Planned:
    """What this very preview or update has announced already and the disk does not show yet."""

    networks: dict[str, str] = field(default_factory=dict)
    """Network id to cidr."""
    addresses: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """(network id, address) to (host id, name)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """lighthost:index:Network"""

    places: Places
    planned: Planned
    unknown: str
    prefix: str = "network"

    def check(self, name: str, inputs: Properties) -> tuple[Properties, dict[str, str]]:
        """The inputs, and what is wrong by property."""
        del name
        failures = _strangers(inputs, {"cidr"}) | _missing(inputs, ["cidr"])
        cidr = inputs.get("cidr")
        if not failures and cidr != self.unknown:
            failures |= _failure("cidr", lambda: sites.gateway_of(str(cidr)))
        return inputs, failures

    def diff(self, old: Properties, new: Properties) -> Change:
        """A network of another cidr is another network."""
        return Change(replace=("cidr",) if old.get("cidr") != new.get("cidr") else ())

    def create(self, id_: str, inputs: Properties, *, preview: bool) -> Found:
        """The network runs, or in a preview what it will be."""
        if inputs["cidr"] == self.unknown:
            return Found(inputs=inputs, outputs={"site": id_, "sshUser": "root"})
        if preview:
            require_machine()
            require_image()
            self.planned.networks[id_] = inputs["cidr"]
            return _found_site(sites.predict_site(self.places, id_, inputs["cidr"]))
        return _found_site(sites.create_site(self.places, id_, inputs["cidr"]))

    def read(self, id_: str) -> Found | None:
        """The network as it is; None if it is gone."""
        site = sites.read_site(self.places, id_)
        return None if site is None else _found_site(site)

    def update(self, id_: str, inputs: Properties, *, preview: bool) -> Found:
        """Nothing of a network changes in place; asked nevertheless, it is made sure of."""
        return self.create(id_, inputs, preview=preview)

    def delete(self, id_: str) -> None:
        """Nothing is left of the network and its hosts."""
        sites.delete_site(self.places, id_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """lighthost:index:Host"""

    places: Places
    planned: Planned
    unknown: str
    prefix: str = "host"

    def check(self, name: str, inputs: Properties) -> tuple[Properties, dict[str, str]]:
        """The inputs with defaults, and what is wrong by property."""
        failures = _strangers(inputs, {"network", "address", "hostname", "publish"})
        failures |= _missing(inputs, ["network", "address"])
        asked: Properties = {"hostname": _hostname_of(name), "publish": []} | inputs
        if not self._are_ports(asked["publish"]):
            failures["publish"] = f"must be a list of port numbers, not {asked['publish']!r}"
        known = [asked.get("address"), asked["hostname"], asked["publish"]]
        if failures or _has(known, self.unknown):
            return asked, failures
        asked["publish"] = sorted(set(asked["publish"]) - {22})
        failures |= _failure(
            "address",
            lambda: hosts.check_request(
                str(asked["hostname"]), str(asked["address"]), asked["publish"]
            ),
        )
        return asked, failures

    def diff(self, old: Properties, new: Properties) -> Change:
        """Published ports and a state that is not `running` are put right in place."""
        fixed = ("network", "address", "hostname")
        update = ["publish"] if list(old.get("publish") or []) != new.get("publish") else []
        update += ["state"] if old.get("state", "running") != "running" else []
        return Change(
            update=tuple(update),
            replace=tuple(key for key in fixed if old.get(key) != new.get(key)),
        )

    def create(self, id_: str, inputs: Properties, *, preview: bool) -> Found:
        """The host runs and answers, or in a preview what it will be."""
        if _has(list(inputs.values()), self.unknown) and not self._only_network_unknown(inputs):
            return Found(inputs=inputs, outputs=dict(inputs) | {"state": "running"})
        self._claim(id_, inputs)
        asked = {key: inputs[key] for key in ("address", "hostname", "publish")}
        if not preview:
            return _found_host(hosts.create_host(self.places, id_, site=inputs["network"], **asked))
        network = None if inputs["network"] == self.unknown else inputs["network"]
        cidr = self.planned.networks.get(network or "")
        if cidr is not None:  # it is not there yet, or is to be made anew
            hosts.check_address(cidr, inputs["address"])
            network = None
        found = _found_host(hosts.predict_host(self.places, id_, site=network, **asked))
        outputs = found.outputs | {"network": inputs["network"]}
        return Found(inputs=inputs, outputs=outputs)

    def read(self, id_: str) -> Found | None:
        """The host as it is; None if it is gone."""
        host = hosts.read_host(self.places, id_)
        return None if host is None else _found_host(host)

    def update(self, id_: str, inputs: Properties, *, preview: bool) -> Found:
        """The host publishes what is asked, runs and answers."""
        if preview:
            return self.create(id_, inputs, preview=True)
        return _found_host(hosts.update_host(self.places, id_, inputs["publish"]))

    def delete(self, id_: str) -> None:
        """Nothing is left of the host."""
        hosts.delete_host(self.places, id_)

    def _are_ports(self, value: Any) -> bool:
        if value == self.unknown:
            return True
        return isinstance(value, list) and all(
            port == self.unknown or (isinstance(port, int) and not isinstance(port, bool))
            for port in value
        )

    def _only_network_unknown(self, inputs: Properties) -> bool:
        return not _has([inputs[key] for key in inputs if key != "network"], self.unknown)

    def _claim(self, id_: str, inputs: Properties) -> None:
        key = (str(inputs["network"]), str(inputs["address"]))
        owner, name = self.planned.addresses.setdefault(key, (id_, inputs["hostname"]))
        if owner != id_ and key[0] != self.unknown:
            raise BadRequest(
                f"hosts {name} and {inputs['hostname']} both ask for address {key[1]}",
                then="give each its own",
            )


def _found_site(site: sites.Site) -> Found:
    outputs = {
        "cidr": site.cidr,
        "gateway": site.gateway,
        "site": site.id,
        "sshUser": "root",
        "privateKey": site.keys.private,
        "publicKey": site.keys.public,
    }
    return Found(inputs={"cidr": site.cidr}, outputs=outputs, secrets=("privateKey",))


def _found_host(host: hosts.Host) -> Found:
    inputs = {
        "network": host.site,
        "address": host.address,
        "hostname": host.hostname,
        "publish": list(host.publish),
    }
    outputs = inputs | {
        "sshPort": host.ssh_port,
        "hostKey": host.host_key,
        "published": {str(port): local for port, local in host.published.items()},
        "state": host.state.value,
    }
    return Found(inputs=inputs, outputs=outputs)


def _hostname_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-") or "host"


def _has(values: list[Any], unknown: str) -> bool:
    return any(
        value == unknown or (isinstance(value, list) and unknown in value) for value in values
    )


def _missing(inputs: Properties, names: list[str]) -> dict[str, str]:
    return {name: "is required" for name in names if inputs.get(name) in (None, "")}


def _strangers(inputs: Properties, known: set[str]) -> dict[str, str]:
    return {
        name: f"is no input; known are {', '.join(sorted(known))}"
        for name in inputs
        if name not in known and not name.startswith("__")
    }


def _failure(name: str, act: Any) -> dict[str, str]:
    try:
        act()
    except LightHostError as error:
        return {name: str(error)}
    return {}
