"""Does the provider do its work for the real Pulumi CLI?"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.lighthosts.hosts import create_host
from orchestrator.lighthosts.provided import id_of
from orchestrator.lighthosts.records import read_host_record
from orchestrator.lighthosts.schema import HOST
from tests.lighthosts.stacks import Stack, yaml_stack
from tests.lighthosts.traces import namespaces_of, soon_no_traces
from tests.needs import needs_light_hosts

pytestmark = needs_light_hosts

PROGRAM = """
name: lh
runtime: yaml
resources:
  lan:
    type: lighthost:index:Network
    properties: {cidr: 10.66.97.0/24}
    options: {version: 0.1.0}
  web:
    type: lighthost:index:Host
    properties: {network: "${lan.id}", address: 10.66.97.11, publish: [80]}
    options: {version: 0.1.0}
outputs:
  sshPort: ${web.sshPort}
  hostKey: ${web.hostKey}
  published: ${web.published}
  gateway: ${lan.gateway}
  key: ${lan.privateKey}
"""
WEB = "urn:pulumi:dev::lh::lighthost:index:Host::web"
LAN = "urn:pulumi:dev::lh::lighthost:index:Network::lan"
IMPORT_FLAGS = ("--yes", "--skip-preview", "--generate-code=false", "--protect=false")
WEB_ID, LAN_ID = id_of("host", WEB), id_of("network", LAN)


def test_a_stack_from_preview_to_destroy(tmp_path: Path) -> None:
    """The preview tells the outputs that then come, a second up changes nothing, a destroy leaves
    nothing; the private key is a secret in the state."""
    with yaml_stack(tmp_path, PROGRAM) as stack:
        predicted = _predicted(stack)
        assert list(stack.places.state.glob("sites/*")) == []
        stack.pulumi("up", "--yes", "--skip-preview")
        outputs = stack.outputs()
        assert predicted == {**outputs, "key": "[secret]"}
        assert "OPENSSH PRIVATE KEY" not in stack.pulumi("stack", "export")
        assert _ssh(stack, outputs, "hostname") == "web"
        stack.pulumi("up", "--yes", "--refresh", "--expect-no-changes")
        ports = [outputs["sshPort"], *outputs["published"].values()]
        namespaces = namespaces_of(stack.places)
        stack.pulumi("destroy", "--yes", "--skip-preview")
        assert soon_no_traces(stack.places, ports=ports, namespaces=namespaces) == []


def test_what_changed_behind_our_back_is_mended(tmp_path: Path) -> None:
    """A refresh sees a dead forwarder and a killed host; up repairs the first, makes the second."""
    with yaml_stack(tmp_path, PROGRAM) as stack:
        stack.pulumi("up", "--yes", "--skip-preview")
        procs = stack.places.site_cgroup(LAN_ID) / "forward" / "cgroup.procs"
        os.kill(int(procs.read_text()), signal.SIGKILL)
        assert "1 updated" in stack.pulumi("up", "--yes", "--skip-preview", "--refresh")
        assert _made(stack) == 1
        record = read_host_record(stack.places.host(LAN_ID, WEB_ID) / "host.json")
        assert record is not None
        assert record.holder is not None
        os.kill(record.holder.pid, signal.SIGKILL)
        assert "1 created" in stack.pulumi("up", "--yes", "--skip-preview", "--refresh")
        assert _ssh(stack, stack.outputs(), "hostname") == "web"


def test_changes_in_place_and_by_replacement(tmp_path: Path) -> None:
    """Published ports are an update with its result predicted; another cidr replaces all."""
    with yaml_stack(tmp_path, PROGRAM) as stack:
        stack.pulumi("up", "--yes", "--skip-preview")
        stack.write(PROGRAM.replace("[80]", "[80, 443]"))
        predicted = _predicted(stack)
        assert "1 updated" in stack.pulumi("up", "--yes", "--skip-preview")
        assert stack.outputs()["published"] == predicted["published"]
        assert set(predicted["published"]) == {"80", "443"}
        stack.write(PROGRAM.replace("10.66.97", "10.66.96"))
        assert "2 replaced" in stack.pulumi("up", "--yes")
        assert stack.outputs()["gateway"] == "10.66.96.1"
        assert _ssh(stack, stack.outputs(), "hostname") == "web"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("10.66.97.11", "10.1.1.1", "address 10.1.1.1 is not in the network 10.66.97.0/24"),
        ("10.66.97.11", "10.66.97.1", "is the gateway"),
        ("10.66.97.0/24", "10.66.97.0/33", "is not an IPv4 network"),
        ("address:", "adress:", "adress"),
    ],
)
def test_a_mistake_is_told_in_the_preview(tmp_path: Path, old: str, new: str, why: str) -> None:
    """The preview fails with the reason and no traceback."""
    with yaml_stack(tmp_path, PROGRAM.replace(old, new)) as stack:
        said = stack.pulumi("preview", fails=True)
        assert why in said
        assert "Traceback" not in said


def test_a_missing_image_is_told_in_the_preview(tmp_path: Path) -> None:
    """The preview names the command that builds it."""
    with yaml_stack(tmp_path, PROGRAM) as stack:
        (tmp_path / "empty").mkdir()
        variables = {**stack.variables, "XDG_CACHE_HOME": str(tmp_path / "empty")}
        bare = Stack(folder=stack.folder, places=stack.places, variables=variables)
        assert "orchestrator doctor --fix" in bare.pulumi("preview", fails=True)


@pytest.mark.parametrize("come_back", ["taken", "imported", "made again", "destroyed"])
def test_the_cli_killed_while_a_host_is_made(tmp_path: Path, come_back: str) -> None:
    """After SIGKILL of CLI and provider a whole host is taken as it is, a half-made one is made
    again, and a destroy leaves nothing of either."""
    with yaml_stack(tmp_path, PROGRAM) as stack:
        _kill_in_the_middle(stack)
        stack.pulumi("cancel", "--yes")
        if come_back in ("taken", "imported"):
            _let_it_be_made(stack)
        if come_back == "imported":
            stack.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
            stack.pulumi("import", HOST, "web", WEB_ID, *IMPORT_FLAGS)
            stack.pulumi("up", "--yes", "--skip-preview", "--refresh")
            assert _ssh(stack, stack.outputs(), "hostname") == "web"
        elif come_back != "destroyed":
            assert "1 created" in stack.pulumi("up", "--yes", "--skip-preview")
            assert _ssh(stack, stack.outputs(), "hostname") == "web"
        assert come_back == "destroyed" or _made(stack) == 1
        stack.pulumi("destroy", "--yes", "--skip-preview")
        assert soon_no_traces(stack.places, ports=(), namespaces=()) == []


def test_no_provider_outlives_its_engine(tmp_path: Path) -> None:
    """When the process that started it is gone, the provider ends by itself."""
    plugin = [sys.executable, "-m", "orchestrator.lighthosts.provider", "127.0.0.1:1"]
    engine = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess; subprocess.run({plugin!r})"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LIGHTHOSTS_DIR": str(tmp_path)},
    )
    assert engine.stdout is not None
    with engine, engine.stdout as said:
        assert int(said.readline()) > 0
        engine.kill()
        assert said.read() == ""  # the end of the file comes when the provider closes its side


def _kill_in_the_middle(stack: Stack) -> None:
    """SIGKILL to the CLI and all it started as soon as the host's folder appears."""
    up = stack.start("up", "--yes", "--skip-preview")
    deadline = time.monotonic() + 60
    while not stack.places.host(LAN_ID, WEB_ID).exists():
        assert up.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    for pid in _tools_of(stack):
        os.kill(pid, signal.SIGKILL)
    up.communicate()


def _tools_of(stack: Stack) -> list[int]:
    found = []
    mark = f"LIGHTHOSTS_DIR={stack.places.state}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes():  # the CLI, its language host, the provider; no host
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def _let_it_be_made(stack: Stack) -> None:
    """The repeated create that an engine would ask for: the very same host by its id."""
    create_host(
        stack.places,
        WEB_ID,
        site=LAN_ID,
        address="10.66.97.11",
        hostname="web",
        publish=[80],
    )


def _predicted(stack: Stack) -> dict[str, Any]:
    """The stack's outputs that a preview announces, a secret one as "[secret]"."""
    log = stack.folder / "events"
    log.unlink(missing_ok=True)
    stack.pulumi("preview", "--event-log", str(log))
    events = [json.loads(line).get("resOutputsEvent") for line in log.read_text().splitlines()]
    found = [event["metadata"] for event in events if event]
    outputs = next(each for each in reversed(found) if each["urn"].endswith("::lh-dev"))["new"]
    said = outputs["outputs"].items()
    return {
        name: "[secret]" if isinstance(value, dict) and "ciphertext" in value else value
        for name, value in said
    }


def _made(stack: Stack) -> int:
    log = stack.places.host(LAN_ID, WEB_ID) / "created.log"
    return len(log.read_text().splitlines())


def _ssh(stack: Stack, outputs: dict[str, Any], command: str) -> str:
    key, known = stack.folder / "key", stack.folder / "known"
    key.touch(mode=0o600)
    key.write_text(outputs["key"])
    known.write_text(f"[127.0.0.1]:{outputs['sshPort']} {outputs['hostKey']}\n")
    ssh = shutil.which("ssh") or "ssh"
    options = [f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"]
    ran = subprocess.run(
        [
            *(ssh, "-F", "none", "-i", str(key), "-p", str(outputs["sshPort"])),
            *[word for option in options for word in ("-o", option)],
            *("root@127.0.0.1", command),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()
