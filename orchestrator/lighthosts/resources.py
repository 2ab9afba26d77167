"""How does a Python stack program ask for light hosts?

network = Network("lan", cidr="10.66.10.0/24")
web = Host("web-1", network=network.id, address="10.66.10.11", publish=[80])
pulumi.export("port", web.published["80"])
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pulumi

from . import VERSION
from .schema import HOST, NETWORK


class _LightResource(pulumi.CustomResource):
    """Names are snake_case in Python and camelCase in the engine."""

    def translate_output_property(self, prop: str) -> str:
        return re.sub(r"(?<=[a-z])[A-Z]", lambda found: f"_{found[0].lower()}", prop)

    def translate_input_property(self, prop: str) -> str:
        return re.sub(r"_([a-z])", lambda found: found[1].upper(), prop)


class Network(_LightResource):
    """A network of light hosts on this machine, closed off from every other."""

    cidr: pulumi.Output[str]
    gateway: pulumi.Output[str]
    """The first address; hosts find their package mirror there."""
    site: pulumi.Output[str]
    """The network's id."""
    ssh_user: pulumi.Output[str]
    private_key: pulumi.Output[str]
    """The OpenSSH private key that all hosts let in; a secret."""
    public_key: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        cidr: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """cidr: an IPv4 network, such as 10.66.10.0/24; another one is another network."""
        unset = dict.fromkeys(("gateway", "site", "ssh_user", "private_key", "public_key"))
        super().__init__(NETWORK, name, {"cidr": cidr, **unset}, _versioned(opts))


class Host(_LightResource):
    """A Linux host with systemd and sshd in a network of this machine."""

    network: pulumi.Output[str]
    address: pulumi.Output[str]
    hostname: pulumi.Output[str]
    publish: pulumi.Output[list[int]]
    ssh_port: pulumi.Output[int]
    """Its SSH port on 127.0.0.1."""
    host_key: pulumi.Output[str]
    """`ssh-ed25519 AAAA…`, known before the host exists."""
    published: pulumi.Output[dict[str, int]]
    """Published port, as text, to the port of 127.0.0.1 that leads there."""
    state: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        network: pulumi.Input[str],
        address: pulumi.Input[str],
        publish: pulumi.Input[Sequence[pulumi.Input[int]]] | None = None,
        hostname: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """network: a Network's id. address: within its cidr, not its first. publish: ports beside
        22 to be reached from outside. hostname: default from the resource's name."""
        asked = {"network": network, "address": address, "publish": publish, "hostname": hostname}
        unset = dict.fromkeys(("ssh_port", "host_key", "published", "state"))
        super().__init__(HOST, name, {**asked, **unset}, _versioned(opts))


def _versioned(opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(pulumi.ResourceOptions(version=VERSION), opts)
