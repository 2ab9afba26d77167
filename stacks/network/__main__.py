"""The network a guestbook stands in, and the key its hosts let in."""

import pulumi

from orchestrator.lighthosts.resources import Network

config = pulumi.Config()
network = Network("guestbook", cidr=config.require("cidr"))

pulumi.export("network", network.id)
pulumi.export("gateway", network.gateway)
pulumi.export("ssh_key", network.private_key)
