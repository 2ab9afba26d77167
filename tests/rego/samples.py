"""Inputs and packs that tests of rules start from."""

from __future__ import annotations

from typing import Any

from orchestrator.rego.pack import Pack

DELETES = """
package gate.x
violation contains v if {
    some row in input.changes.rows
    row.op == "delete"
    v := {"id": "x", "msg": sprintf("deletes %s", [row.name])}
}
"""


def row(**fields: Any) -> dict[str, Any]:
    return {
        "stage": "hosts",
        "tool": "pulumi",
        "op": "update",
        "type": "lighthost:index:Host",
        "name": "web-1",
        "host": "",
        "certainty": "exact",
        "paths": [],
        **fields,
    }


def given(*rows: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "schema": "gate-input/v1",
        "now": "2026-11-24T12:00:00Z",
        "action": "promote",
        "pipeline": "guestbook",
        "env": {
            "name": "prod",
            "promote_from": ["staging"],
            "protect": {"destroy": False, "types": []},
            "vars": {},
        },
        "release": {"name": "guestbook@2026.11.24-1", "digest": "sha256:0"},
        "stages": [],
        "changes": {
            "counts": {"create": 0, "update": 0, "delete": 0, "replace": 0},
            "rows": list(rows),
        },
        **fields,
    }


def pack(text: str, **more: str) -> Pack:
    """x.rego with this text, and others by name."""
    files = {f"policies/{name.replace('__', '.')}.rego": body for name, body in more.items()}
    return Pack.of({"policies/x.rego": text, **files})
