"""How do tests write a small project? One that is right, changed in one place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.files.definitions import load_project, validate
from orchestrator.model.definitions import Project
from orchestrator.model.positions import Problem

ORCHESTRATOR = """\
apiVersion: orchestrator/v1
kind: Project
id: guestbook-7f3c
protected: main
---
apiVersion: orchestrator/v1
kind: Pipeline
name: guestbook
vars:
  cidr: cidr
  web_count: { type: int, min: 1, max: 20 }
  batch: { type: string, default: "100%" }
artifacts:
  app: { path: app }
stages:
  network:
    pulumi: { project: stacks/network, config: { cidr: "${{ vars.cidr }}" } }
    outputs: { network: string, gateway: string }
  hosts:
    pulumi:
      project: stacks/hosts
      config:
        network: ${{ stages.network.outputs.network }}
        web_count: ${{ vars.web_count }}
    outputs: { inventory: inventory, url: url }
    timeout: 20m
  base:
    ansible: { playbook: playbooks/base.yml, inventory: ["${{ stages.hosts.outputs.inventory }}"] }
    retry: { attempts: 3, on: [unreachable], backoff: 10s }
    outputs: { dsn: secret(string) }
  app:
    needs: [base]
    ansible:
      playbook: playbooks/app.yml
      inventory: ["${{ stages.hosts.outputs.inventory }}"]
      vars:
        dsn: ${{ stages.base.outputs.dsn }}
        source: ${{ release.artifacts.app.path }}
        batch: ${{ vars.batch }}
  smoke:
    needs: [app]
    check: { url: "${{ stages.hosts.outputs.url }}/healthz", contains: guestbook, within: 2m }
"""
DEV = """\
apiVersion: orchestrator/v1
kind: Environment
name: dev
vars: { cidr: 10.66.10.0/24, web_count: 2 }
"""
PROD = """\
apiVersion: orchestrator/v1
kind: Environment
name: prod
promote_from: dev
extends: [common.yaml]
gate: production
vars: { cidr: 10.66.30.0/24, web_count: 3, batch: "34%" }
secrets: { smtp: "env://SMTP_PASSWORD" }
credentials: { pulumi: [AWS_PROFILE, AWS_REGION], ansible: [SSH_AUTH_SOCK] }
protect: { destroy: true, types: ["lighthost:index:Host"] }
state: builtin
"""
GATE = """\
apiVersion: orchestrator/v1
kind: Gate
name: production
promote:
  require:
    - upstream: { status: succeeded }
    - soak: 24h
    - drift: { in: upstream, none_since: 6h }
    - rehearsed: { deny: [replace, delete], except: [] }
    - window:
        open: ["Mon-Thu 08:00-16:00 Europe/Berlin"]
        closed: [{ from: 2026-12-18, to: 2027-01-04 }]
        start_before_close: 45m
    - rego: { package: gate.keeps_data, waive: { by: ["group:oncall"], max: 24h } }
  approvals:
    - id: release
      need: 2
      from: ["group:release-managers"]
      not: [release.authors, run.requester]
      expires: 4h
rollback:
  require: [{ was_live: true }]
  approvals: [{ id: oncall, need: 1, from: ["group:oncall"] }]
emergency:
  ticket: required
  approvals: [{ id: oncall, need: 1, from: ["group:oncall"] }]
  review: { within: 72h, from: ["group:release-managers"] }
"""
ACCESS = """\
apiVersion: orchestrator/v1
kind: Access
people:
  ana: { emails: [ana@example.com], keys: ["ssh-ed25519 AAAA"] }
  bo: { emails: [bo@example.com], keys: ["ssh-ed25519 AAAB"] }
groups: { release-managers: [ana, bo], oncall: [bo] }
roles:
  - who: ["group:release-managers"]
    may: [view, plan, apply, promote, approve]
    on: { pipelines: ["*"], environments: ["*"] }
"""
FILES: Mapping[str, str] = {
    "orchestrator.yaml": ORCHESTRATOR,
    "inventories/dev/environment.yaml": DEV,
    "inventories/prod/environment.yaml": PROD,
    "inventories/common.yaml": "limits: { run: 4, pulumi: 2 }\ncredentials: { command: [LANG] }\n",
    "policies/production.yaml": GATE,
    "policies/access.yaml": ACCESS,
    "policies/keeps_data.rego": "package gate.keeps_data\n",
    "stacks/network/Pulumi.yaml": "name: network\nruntime: python\n",
    "stacks/hosts/Pulumi.yaml": "name: hosts\nruntime: python\n",
    "playbooks/base.yml": "- hosts: all\n",
    "playbooks/app.yml": "- hosts: all\n",
    "app/app.py": "print('hello')\n",
}
HEADER = "apiVersion: orchestrator/v1\nkind: Pipeline\nname: p\n"


def write(root: Path, files: Mapping[str, str]) -> Path:
    """The folder with these files in it."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def changed(root: Path, file: str, old: str, new: str) -> Path:
    """The guestbook with one text of one file replaced, which must be there."""
    assert old in FILES[file]
    return write(root, {**FILES, file: FILES[file].replace(old, new, 1)})


def guestbook(root: Path) -> Project:
    """The project that is right."""
    return load_project(write(root, FILES))


def pipeline(root: Path, body: str, **more: str) -> tuple[Problem, ...]:
    """Problems of a project with one pipeline of this body, and no environment."""
    project = "apiVersion: orchestrator/v1\nkind: Project\nid: p\n---\n"
    return validate(write(root, {"orchestrator.yaml": project + HEADER + body, **more}))


def told(problems: tuple[Problem, ...]) -> list[str]:
    """Each problem as place, message and help, short enough to compare."""
    return [
        f"{p.position.line}:{p.position.column} {p.message}" + (f" | {p.help}" if p.help else "")
        for p in problems
        if p.position
    ]
