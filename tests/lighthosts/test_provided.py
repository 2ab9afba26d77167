"""Does each resource type say what is wrong, and what a change means?"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orchestrator.lighthosts import image, machine
from orchestrator.lighthosts.errors import BadRequest, ImageMissing, MachineCannot
from orchestrator.lighthosts.places import Places
from orchestrator.lighthosts.plugin import install_plugin, plugin_installed
from orchestrator.lighthosts.provided import Change, Provided, id_of, provided
from orchestrator.lighthosts.schema import HOST, NETWORK, schema

UNKNOWN = "?"
URN = "urn:pulumi:dev::lh::lighthost:index:Host::web"
HOST_INPUTS = {"network": "network-1", "address": "10.0.0.5", "hostname": "web", "publish": [80]}


@pytest.fixture
def types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Provided]:
    """The types over an empty state folder, on a machine that can do all."""
    (tmp_path / "sites").mkdir()
    monkeypatch.setattr("orchestrator.lighthosts.provided.require_machine", lambda: None)
    monkeypatch.setattr("orchestrator.lighthosts.provided.require_image", lambda: None)
    where = Places(state=tmp_path, cgroups=tmp_path / "no-cgroups")
    return provided(where, unknown=UNKNOWN)


def test_an_id_is_a_pure_function_of_the_urn() -> None:
    """The same URN gives the same id in every process, for ever."""
    assert id_of("host", URN) == "host-fd801851a738"
    assert id_of("host", URN + "x") != id_of("host", URN)


@pytest.mark.parametrize(
    ("inputs", "property_", "why"),
    [
        ({}, "cidr", "is required"),
        ({"cidr": "10.0.0.1/24"}, "cidr", "host bits set"),
        ({"cidr": "10.0.0.0/30"}, "cidr", "too small"),
        ({"cidr": "fd00::/64"}, "cidr", "not an IPv4 network"),
        ({"cidr": "10.0.0.0/24", "cdir": "x"}, "cdir", "is no input; known are cidr"),
    ],
)
def test_a_network_that_cannot_be_is_refused(
    types: dict[str, Provided], inputs: dict[str, str], property_: str, why: str
) -> None:
    """check names the property and says what is wrong with it."""
    _, failures = types[NETWORK].check("lan", inputs)
    assert why in failures[property_]


@pytest.mark.parametrize(
    ("change", "property_", "why"),
    [
        ({"address": ""}, "address", "is required"),
        ({"address": "10.0.0"}, "address", "not an IPv4 address"),
        ({"hostname": "web_1"}, "address", "letters, digits"),
        ({"publish": [0]}, "address", "not between 1 and 65535"),
        ({"publish": "80"}, "publish", "list of port numbers"),
        ({"publish": ["80"]}, "publish", "list of port numbers"),
        ({"port": 1}, "port", "is no input"),
    ],
)
def test_a_host_that_cannot_be_is_refused(
    types: dict[str, Provided], change: dict[str, object], property_: str, why: str
) -> None:
    """check names the property and says what is wrong with it."""
    _, failures = types[HOST].check("web", HOST_INPUTS | change)
    assert why in failures[property_]


def test_check_fills_in_defaults(types: dict[str, Provided]) -> None:
    """The hostname comes from the resource's name; published ports are sorted, once, without 22."""
    asked = {"network": UNKNOWN, "address": "10.0.0.5", "publish": [443, 80, 80, 22]}
    inputs, failures = types[HOST].check("Web_Server.1", asked)
    assert not failures
    assert inputs == asked | {"hostname": "web-server-1", "publish": [80, 443]}


def test_what_a_change_means(types: dict[str, Provided]) -> None:
    """Published ports and a bad state are mended in place, all else makes another host."""
    old = HOST_INPUTS | {"state": "running"}
    diff = types[HOST].diff
    assert diff(old, HOST_INPUTS) == Change()
    assert diff(old, HOST_INPUTS | {"publish": []}) == Change(update=("publish",))
    assert diff(old | {"state": "unreachable"}, HOST_INPUTS) == Change(update=("state",))
    for key in ("address", "network", "hostname"):
        assert diff(old, HOST_INPUTS | {key: "other"}) == Change(replace=(key,))
    assert types[NETWORK].diff({"cidr": "a"}, {"cidr": "b"}) == Change(replace=("cidr",))


def test_a_preview_predicts_and_leaves_only_reservations(
    types: dict[str, Provided], tmp_path: Path
) -> None:
    """Two previews say the same of a network and its host, and no site comes to be."""
    network = types[NETWORK].create("network-1", {"cidr": "10.0.0.0/24"}, preview=True)
    assert network.outputs["gateway"] == "10.0.0.1"
    assert network.secrets == ("privateKey",)
    host = types[HOST].create("host-1", HOST_INPUTS, preview=True)
    assert host.outputs["hostKey"].startswith("ssh-ed25519 ")
    assert set(host.outputs["published"]) == {"80"}
    assert types[HOST].create("host-1", HOST_INPUTS, preview=True) == host
    assert list((tmp_path / "sites").iterdir()) == []


def test_a_preview_refuses_what_the_update_would(types: dict[str, Provided]) -> None:
    """An address outside the network announced just before, and one address twice."""
    types[NETWORK].create("network-1", {"cidr": "10.0.0.0/24"}, preview=True)
    create = types[HOST].create
    with pytest.raises(BadRequest, match=r"10\.9\.9\.9 is not in the network 10\.0\.0\.0/24"):
        create("host-9", HOST_INPUTS | {"address": "10.9.9.9"}, preview=True)
    create("host-1", HOST_INPUTS, preview=True)
    with pytest.raises(BadRequest, match="web and twin both ask for address"):
        create("host-2", HOST_INPUTS | {"hostname": "twin"}, preview=True)


def test_every_output_is_in_the_schema(types: dict[str, Provided]) -> None:
    """The schema knows the inputs and outputs that really come."""
    network = types[NETWORK].create("network-1", {"cidr": "10.0.0.0/24"}, preview=True)
    host = types[HOST].create("host-1", HOST_INPUTS, preview=True)
    for token, found in ((NETWORK, network), (HOST, host)):
        described = schema()["resources"][token]
        assert set(found.outputs) == set(described["properties"]) == set(described["required"])
        assert set(found.inputs) == set(described["inputProperties"])


def test_without_root_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain user is told, before anything is tried."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    machine.machine_lacks.cache_clear()
    try:
        with pytest.raises(MachineCannot, match="need root"):
            machine.require_machine()
    finally:
        machine.machine_lacks.cache_clear()


def test_without_an_image_the_message_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that builds it stands in the message; a plain user is told of root."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ImageMissing, match="orchestrator doctor --fix"):
        image.require_image()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MachineCannot, match="needs root"):
        image.ensure_image()


def test_the_plugin_starts_this_python(tmp_path: Path) -> None:
    """install writes an executable where Pulumi looks; check knows a stale one."""
    assert not plugin_installed(tmp_path)
    path = install_plugin(tmp_path)
    assert path == tmp_path / "plugins/resource-lighthost-v0.1.0/pulumi-resource-lighthost"
    assert os.access(path, os.X_OK)
    assert plugin_installed(tmp_path)
    path.write_text("#!/bin/sh\n")
    assert not plugin_installed(tmp_path)


def test_two_checkouts_share_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another checkout's plugin will do as long as its Python is there."""
    other = tmp_path / "it's another" / "python"
    other.parent.mkdir()
    other.symlink_to(sys.executable)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(other))
        install_plugin(tmp_path)
    assert plugin_installed(tmp_path)
    other.unlink()
    assert not plugin_installed(tmp_path)
