"""Small projects in git, and what is asked of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ana"), ("EMAIL", "ana@example.com"))
}


def write(root: Path, files: Mapping[str, str]) -> None:
    """The files are there; a text that begins with `-> ` makes a link."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)


def git(root: Path, *argv: str) -> str:
    """What git said. Its configuration is only that of the repository."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **_AUTHOR}
    options = ("-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always")
    done = subprocess.run(
        ["git", *options, *argv], cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(root: Path, files: Mapping[str, str] | None = None) -> str:
    """Everything is committed in the repository of the folder; the commit."""
    if not (root / ".git").exists():
        root.mkdir(parents=True, exist_ok=True)
        git(root, "init", "-q")
    write(root, files or {})
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "x")
    return git(root, "rev-parse", "HEAD")


PROJECT = {
    "orchestrator.yaml": "id: guestbook\n",
    "app/main.py": "print('hi')\n",
    "app/static/logo": "logo\n",
    "playbooks/site.yml": "[]\n",
    "inventories/dev/environment.yaml": "name: dev\n",
    "policies/production.yaml": "kind: Gate\n",
}
