"""Does a real environment survive its controller's death, and is nothing of it left in the end?"""

import os
from pathlib import Path

from orchestrator.lighthosts.places import places_at
from tests.e2e.conftest import Make
from tests.e2e.projects import Tiny, stage, until
from tests.lighthosts.traces import namespaces_of, soon_no_traces
from tests.needs import needs_light_hosts

pytestmark = needs_light_hosts

NETWORK = """\
import pulumi
from orchestrator.lighthosts.resources import Network

network = Network("net", cidr="10.66.91.0/24")
pulumi.export("network", network.id)
pulumi.export("ssh_key", network.private_key)
"""
HOSTS = """\
import pulumi
from orchestrator.lighthosts.resources import Host

network = pulumi.Config().require("network")
made = {n: Host(f"web-{n}", network=network, address=f"10.66.91.1{n}") for n in (1, 2)}


def entry(host):
    def known(of):
        address = {"address": "127.0.0.1", "port": int(of["port"]), "user": "root"}
        return address | {"host_key": of["key"]}

    return pulumi.Output.all(port=host.ssh_port, key=host.host_key).apply(known)


pulumi.export("inventory", {"hosts": {f"web-{n}": entry(host) for n, host in made.items()}})
"""
PLAY = """\
- hosts: all
  serial: 1
  gather_facts: false
  tasks:
    - name: leave a trace
      ansible.builtin.shell: echo x >> /root/ran && cat /root/ran
      register: ran
    - name: say so
      ansible.builtin.copy:
        content: "{{{{ ran.stdout }}}}\\n"
        dest: "{world}/{{{{ inventory_hostname }}}}"
      delegate_to: localhost
    - name: wait to be let
      ansible.builtin.wait_for: {{ path: "{world}/play.go", timeout: 300, sleep: 1 }}
      delegate_to: localhost
"""


def real(make: Make, world: Path) -> Tiny:
    """network → two hosts → a play, one host after the other."""
    inventory = ["${{ stages.hosts.outputs.inventory }}"]
    key = "${{ stages.network.outputs.ssh_key }}"
    config = {"network": "${{ stages.network.outputs.network }}"}
    tiny = make(
        stage(
            "network",
            {"pulumi": {"project": "stacks/network"}},
            outputs={"network": "string", "ssh_key": "secret(string)"},
        ),
        stage(
            "hosts",
            {"pulumi": {"project": "stacks/hosts", "config": config}},
            outputs={"inventory": "inventory"},
        ),
        stage(
            "play", {"ansible": {"playbook": "play.yml", "inventory": inventory, "ssh_key": key}}
        ),
    )
    for name, program in (("network", NETWORK), ("hosts", HOSTS)):
        tiny.write(f"stacks/{name}/Pulumi.yaml", f"name: {name}\nruntime: python\n")
        tiny.write(f"stacks/{name}/__main__.py", program)
    tiny.write("play.yml", PLAY.format(world=world))
    return tiny


def test_a_real_environment_without_its_controllers(make: Make, world: Path) -> None:
    """Controllers killed during a real create and during a real play: everything happened once."""
    tiny = real(make, world)
    where = places_at(tiny.home / "orchestrator" / "lighthosts")
    try:
        up = tiny.begin("up", "dev", "--yes")
        until(lambda: list(where.state.glob("sites/*/hosts/*/token")), "a host is being made")
        up.kill()
        second = tiny.begin("wait", "dev#1")
        tiny.until_begun("web-1")
        second.kill()
        tiny.let("play")
        answer = tiny.ask("wait", "dev#1")
        assert answer.code == 0, answer.err
        statuses = tiny.rows("select stage, status, attempts from stages order by place")
        assert statuses == [(name, "succeeded", 1) for name in ("network", "hosts", "play")]
        assert tiny.counts("web-1", "web-2") == [1, 1]  # lines on the hosts themselves
        made = sorted(where.state.glob("sites/*/hosts/*/created.log"))
        assert [len(log.read_text().splitlines()) for log in made] == [1, 1]
        assert tiny.marked() == []
    finally:
        namespaces = namespaces_of(where)
        gone = tiny.ask("destroy", "dev", "--yes")
    assert gone.code == 0, gone.err
    assert soon_no_traces(where, ports=(), namespaces=namespaces) == []
    assert tiny.rows("select count(*) from in_place") == [(0,)]
    assert not any(str(tiny.home) in line for line in Path("/proc/mounts").read_text().splitlines())
    assert os.path.exists(tiny.database)
