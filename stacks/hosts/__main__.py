"""Web hosts, a database and a load balancer; exported as an inventory for Ansible."""

import pulumi
from topology import Member, members

from orchestrator.lighthosts.resources import Host

config = pulumi.Config()
network = config.require("network")


def host_of(member: Member) -> Host:
    return Host(
        member.name, network=network, address=member.address, publish=list(member.publish)
    )


def entry(member: Member, host: Host) -> pulumi.Output:
    """What Ansible has to know: where SSH answers, and the address inside the network."""
    return pulumi.Output.all(port=host.ssh_port, key=host.host_key).apply(
        lambda known: {
            "address": "127.0.0.1",
            "port": int(known["port"]),
            "user": "root",
            "groups": [member.group],
            "host_key": known["key"],
            "vars": {"private_address": member.address},
        }
    )


hosts = {m.name: (m, host_of(m)) for m in members(config.require("cidr"), config.require_int("web_count"))}

pulumi.export(
    "inventory", {"hosts": {name: entry(member, host) for name, (member, host) in hosts.items()}}
)
pulumi.export("url", pulumi.Output.concat("http://127.0.0.1:", hosts["edge-1"][1].published["80"].apply(str)))
