"""What does a URN say? `urn:pulumi:<stack>::<project>::<parent types$type>::<name>`."""

from __future__ import annotations

ROOT = "pulumi:pulumi:Stack"
PROVIDER = "pulumi:providers:"


def type_of(urn: str) -> str:
    """The resource's own type, without those of its parents."""
    parts = urn.split("::", 3)
    return parts[2].rpartition("$")[2] if len(parts) == 4 else ""


def name_of(urn: str) -> str:
    return urn.split("::", 3)[3] if urn.count("::") >= 3 else urn


def address_of(urn: str) -> str:
    """Type and name, as rows and failures show a resource."""
    return f"{type_of(urn)} {name_of(urn)}".strip()


def is_default_provider(urn: str) -> bool:
    """Made by the engine itself, and not counted by it either."""
    return type_of(urn).startswith(PROVIDER) and name_of(urn).startswith("default")
