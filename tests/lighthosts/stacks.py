"""How does a test run the Pulumi CLI on a stack of light hosts, apart from all else?"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.lighthosts.places import Places, places_at
from orchestrator.lighthosts.plugin import install_plugin
from orchestrator.lighthosts.sites import delete_site
from tests.needs import pulumi_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A project folder with a stack `dev`, in a backend and a Pulumi home of its own."""

    folder: Path
    places: Places
    variables: Mapping[str, str]

    def pulumi(self, *words: str, fails: bool = False) -> str:
        """What the CLI printed; the test fails unless the CLI did as expected."""
        ran = self.start(*words)
        said, _ = ran.communicate(timeout=180)
        assert (ran.returncode != 0) == fails, said
        return said

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The CLI, under way."""
        return subprocess.Popen(
            [str(pulumi_path()), *words, "--non-interactive"],
            cwd=self.folder,
            env=dict(self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in clear."""
        found: dict[str, Any] = json.loads(
            self.pulumi("stack", "output", "--json", "--show-secrets")
        )
        return found

    def write(self, program: str) -> None:
        """This yaml program is the project."""
        (self.folder / "Pulumi.yaml").write_text(program)


@contextmanager
def yaml_stack(tmp_path: Path, program: str) -> Iterator[Stack]:
    """A stack of this program; every site of it is gone afterwards, whatever happened."""
    for name in ("project", "home", "backend"):
        (tmp_path / name).mkdir()
    stack = Stack(
        folder=tmp_path / "project",
        places=places_at(tmp_path / "lighthosts"),
        variables={
            "PATH": f"{pulumi_path().parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path / "home"),
            "PULUMI_HOME": str(tmp_path / "home"),
            "PULUMI_BACKEND_URL": f"file://{tmp_path / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE": "x",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_COMMANDS": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "LIGHTHOSTS_DIR": str(tmp_path / "lighthosts"),
            # The image is the machine's, though the home folder is not.
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
        },
    )
    install_plugin(tmp_path / "home")
    stack.write(program)
    try:
        stack.pulumi("stack", "init", "dev")
        yield stack
    finally:
        for folder in stack.places.state.glob("sites/*"):
            delete_site(stack.places, folder.name)
