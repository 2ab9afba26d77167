"""Web hosts, a database and a load balancer; exported as an inventory for Ansible."""

from collections.abc import Mapping
from typing import Any

import pulumi
from topology import Member, members

from orchestrator.lighthosts.resources import Host


def host_of(member: Member, network: str) -> Host:
    """The resource that makes a member real."""
    return Host(
        member.name,
        network=network,
        address=member.address,
        publish=list(member.publish),
    )


def entry(member: Member, host: Host) -> pulumi.Output[dict[str, Any]]:
    """What Ansible has to know: where SSH answers, and the address inside the network."""

    def known(of: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "address": "127.0.0.1",
            "port": int(of["port"]),
            "user": "root",
            "groups": [member.group],
            "host_key": of["key"],
            "vars": {"private_address": member.address},
        }

    return pulumi.Output.all(port=host.ssh_port, key=host.host_key).apply(known)


config = pulumi.Config()
there = members(config.require("cidr"), config.require_int("web_count"))
hosts = {member.name: host_of(member, config.require("network")) for member in there}
web_port = hosts["edge-1"].published["80"].apply(str)

pulumi.export("inventory", {"hosts": {m.name: entry(m, hosts[m.name]) for m in there}})
pulumi.export("url", pulumi.Output.concat("http://127.0.0.1:", web_port))
