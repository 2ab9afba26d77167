"""Can a Python stack program ask for light hosts?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.lighthosts.stacks import yaml_stack
from tests.lighthosts.traces import soon_no_traces
from tests.needs import needs_light_hosts, pulumi_path

pytestmark = needs_light_hosts

PROGRAM = """
import json, sys
import pulumi
from pulumi import automation
from orchestrator.lighthosts.resources import Host, Network

def program():
    lan = Network("lan", cidr="10.66.95.0/24")
    web = Host("web", network=lan.id, address="10.66.95.11", publish=[80], hostname="front")
    db = Host("db", network=lan.id, address="10.66.95.12")
    pulumi.export("ports", [web.ssh_port, db.ssh_port, web.published["80"]])
    pulumi.export("hosts", [web.hostname, db.hostname, web.state, db.publish, web.host_key])
    pulumi.export("lan", [lan.gateway, lan.site, lan.ssh_user, lan.cidr, lan.public_key])
    pulumi.export("key", lan.private_key)

command = automation.PulumiCommand(root=sys.argv[1], skip_version_check=True)
workspace = automation.LocalWorkspaceOptions(pulumi_command=command)
stack = automation.create_or_select_stack("dev", "inline", program, opts=workspace)
first = stack.up()
again = stack.up()
shown = {name: output.value for name, output in first.outputs.items() if not output.secret}
secrets = [name for name, output in first.outputs.items() if output.secret]
changes = again.summary.resource_changes
stack.destroy()
print(json.dumps({"shown": shown, "secrets": secrets, "again": changes}))
"""


def test_a_python_program_makes_hosts(tmp_path: Path) -> None:
    """Outputs arrive under their Python names, the key as a secret; a second up changes nothing."""
    with yaml_stack(tmp_path, "name: unused\nruntime: yaml\n") as stack:
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(pulumi_path().parent.parent)],
            cwd=tmp_path,
            env=dict(stack.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        said = json.loads(ran.stdout.splitlines()[-1])
        hosts, lan = said["shown"]["hosts"], said["shown"]["lan"]
        assert hosts[:4] == ["front", "db", "running", []]
        assert hosts[4].startswith("ssh-ed25519 ")
        assert lan[0] == "10.66.95.1"
        assert lan[2:4] == ["root", "10.66.95.0/24"]
        assert said["secrets"] == ["key"]
        assert said["again"] == {"same": 4}
        ports = [int(port) for port in said["shown"]["ports"]]
        assert len(set(ports)) == 3
        assert soon_no_traces(stack.places, ports=ports, namespaces=()) == []
