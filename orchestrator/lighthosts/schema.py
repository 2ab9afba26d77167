"""What do the resources look like, for programs in any language?"""

from __future__ import annotations

from typing import Any

from . import VERSION

HOST = "lighthost:index:Host"
NETWORK = "lighthost:index:Network"


def schema() -> dict[str, Any]:
    """The package schema of the provider."""
    return {
        "name": "lighthost",
        "version": VERSION,
        "description": "Real Linux hosts without a cloud: namespaces on this machine.",
        "resources": {NETWORK: _NETWORK, HOST: _HOST},
    }


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


_PORTS = {"type": "array", "items": {"type": "integer"}}
_CIDR = _text("An IPv4 network, such as 10.66.10.0/24.", replaceOnChanges=True)
_ADDRESS = _text("The host's address within the network.", replaceOnChanges=True)
_HOSTNAME = _text("Default: from the resource's name.", replaceOnChanges=True)
_PUBLISH = _PORTS | {"description": "Ports, beside 22, to be reached on 127.0.0.1. Default: none."}

_NETWORK: dict[str, Any] = {
    "description": "A network of light hosts, closed off from every other.",
    "inputProperties": {"cidr": _CIDR},
    "requiredInputs": ["cidr"],
    "properties": {
        "cidr": _CIDR,
        "gateway": _text("The first address; hosts find their package mirror there."),
        "site": _text("The network's id."),
        "sshUser": _text("The user who may log in: root."),
        "privateKey": _text("The OpenSSH private key that all hosts let in.", secret=True),
        "publicKey": _text("Its public key, `ssh-ed25519 AAAA…`."),
    },
    "required": ["cidr", "gateway", "site", "sshUser", "privateKey", "publicKey"],
}

_HOST: dict[str, Any] = {
    "description": "A Linux host with systemd and sshd.",
    "inputProperties": {
        "network": _text("The id of its Network.", replaceOnChanges=True),
        "address": _ADDRESS,
        "hostname": _HOSTNAME,
        "publish": _PUBLISH,
    },
    "requiredInputs": ["network", "address"],
    "properties": {
        "network": _text("The id of its Network.", replaceOnChanges=True),
        "address": _ADDRESS,
        "hostname": _HOSTNAME,
        "publish": _PUBLISH,
        "sshPort": {"type": "integer", "description": "Its SSH port, on 127.0.0.1."},
        "hostKey": _text("Its host key, `ssh-ed25519 AAAA…`."),
        "published": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "Published port to the port of 127.0.0.1 that leads there.",
        },
        "state": _text("running, unreachable or off."),
    },
    "required": [
        *("network", "address", "hostname", "publish"),
        *("sshPort", "hostKey", "published", "state"),
    ],
}
