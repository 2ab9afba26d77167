"""Does a real environment survive its controller's death, and is nothing of it left in the end?"""

import json
import os
import signal
from pathlib import Path

from orchestrator.lighthosts.places import Places, places_at
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
        nothing_is_left_after_destroy(tiny, where)


def test_a_real_create_whose_attempt_is_killed(make: Make, world: Path) -> None:
    """The stage is lost and its tools are ended; a person's retry brings all of it up."""
    tiny = real(make, world)
    tiny.let("play")
    where = places_at(tiny.home / "orchestrator" / "lighthosts")
    try:
        up = tiny.begin("up", "dev", "--yes")
        until(lambda: list(where.state.glob("sites/*/hosts/*/token")), "a host is being made")
        os.kill(tiny.attempt_process("hosts"), signal.SIGKILL)
        answer = up.answer()
        assert answer.code == 4, answer.err
        assert "lost" in answer.err
        assert "not run: play" in answer.err
        assert tiny.marked() == []
        again = tiny.ask("retry", "dev#1")
        assert again.code == 0, again.err
        assert tiny.counts("web-1", "web-2") == [1, 1]
        assert len(list(where.state.glob("sites/*/hosts/*"))) == 2
    finally:
        nothing_is_left_after_destroy(tiny, where)


def nothing_is_left_after_destroy(tiny: Tiny, where: Places) -> None:
    namespaces = namespaces_of(where)
    ports = [port for entry in _ports(where) for port in entry]
    gone = tiny.ask("destroy", "dev", "--yes")
    assert gone.code == 0, gone.err
    assert soon_no_traces(where, ports=ports, namespaces=namespaces) == []
    assert tiny.rows("select count(*) from in_place") == [(0,)]


def _ports(where: Places) -> list[list[int]]:
    files = where.state.glob("sites/*/hosts/*/host.json")
    return [list(json.loads(path.read_text()).get("ports", {}).values()) for path in files]
