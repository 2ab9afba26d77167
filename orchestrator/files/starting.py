"""With which files does a project begin? With what is there already, taken in unchanged.

Every folder with a Pulumi.yaml becomes a stage, every playbook beside it, in playbooks/ or in
ansible/ one that follows; where there is neither, one command shows how a stage is written.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestrator.files.tree import IGNORED

_NAME = re.compile(r"[^a-z0-9]+")
_PLAYBOOK = re.compile(r"^\s*-?\s*hosts\s*:", re.MULTILINE)
_DEPTH = 3  # folders below the root in which a Pulumi project is looked for

ENVIRONMENT = """\
apiVersion: orchestrator/v1
kind: Environment
name: {name}
vars: {{}}
"""
HOSTS = """\
# Hosts that no stack makes, as Ansible reads them; those of the stacks are merged in.
# all: { hosts: { web-1: { ansible_host: 192.0.2.10 } } }
all: {}
"""
HOST_FILES = ("hosts", "hosts.ini", "hosts.yml", "hosts.yaml")
INVENTORY_PLACES = (
    *HOST_FILES,
    *(f"inventory{end}" for end in ("", ".ini", ".yml", ".yaml")),
    *(f"inventory/{name}" for name in HOST_FILES),
)


def starting_files(root: Path, *, name: str = "") -> Mapping[str, str]:
    """path -> text of the files that make the folder a project; none of them exists there yet."""
    name = _plain(name or root.resolve().name) or "project"
    stages = [*_stack_stages(root), *_playbook_stages(root)]
    if not stages:
        stages = [("hello", "    command: [echo, hello]\n")]
    files = {
        "orchestrator.yaml": _project(name, stages),
        "inventories/dev/environment.yaml": ENVIRONMENT.format(name="dev"),
        "inventories/dev/hosts.yaml": HOSTS,
    }
    return {path: text for path, text in files.items() if not (root / path).exists()}


def _project(name: str, stages: Iterable[tuple[str, str]]) -> str:
    head = (
        "apiVersion: orchestrator/v1\n"
        "kind: Project\n"
        f"id: {name}-{secrets.token_hex(2)}\n"
        "---\n"
        "apiVersion: orchestrator/v1\n"
        "kind: Pipeline\n"
        f"name: {name}\n"
        "stages:\n"
    )
    return head + "".join(f"  {stage}:\n{body}" for stage, body in stages)


def _stack_stages(root: Path) -> list[tuple[str, str]]:
    folders = sorted(_pulumi_folders(root, root, _DEPTH))
    return [(_stage_name(f, root), f"    pulumi: {{ project: {f} }}\n") for f in folders]


def _pulumi_folders(root: Path, folder: Path, depth: int) -> Iterable[str]:
    if (folder / "Pulumi.yaml").is_file():
        yield folder.relative_to(root).as_posix()
        return
    if depth == 0:
        return
    for child in sorted(folder.iterdir()):
        if child.is_dir() and child.name not in IGNORED and not child.is_symlink():
            yield from _pulumi_folders(root, child, depth - 1)


def _playbook_stages(root: Path) -> list[tuple[str, str]]:
    """In file order, each after all stacks and after the playbook before it."""
    before = [name for name, _ in _stack_stages(root)]
    found = next((place for place in INVENTORY_PLACES if (root / place).is_file()), "")
    inventory = f", inventory: {found}" if found else ""
    stages = []
    for path in _playbooks(root):
        name = _plain(Path(path).stem)
        name = f"{name}-playbook" if name in before else name
        needs = f"    needs: [{', '.join(before)}]\n" if before else ""
        stages.append((name, f"{needs}    ansible: {{ playbook: {path}{inventory} }}\n"))
        before = [name]
    return stages


def _playbooks(root: Path) -> list[str]:
    found = []
    for folder in (root, root / "playbooks", root / "ansible"):
        for path in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]):
            if path.is_file() and _PLAYBOOK.search(path.read_text(errors="replace")):
                found.append(path.relative_to(root).as_posix())
    return found


def _stage_name(folder: str, root: Path) -> str:
    return _plain(root.resolve().name if folder == "." else Path(folder).name) or "stack"


def _plain(text: str) -> str:
    return _NAME.sub("-", text.lower()).strip("-")[:40].lstrip("0123456789-")
