"""Where does Pulumi find the provider?"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

from . import VERSION


def install_plugin(pulumi_home: Path | None = None) -> Path:
    """The plugin stands in Pulumi's plugin folder and starts this very Python; returns its path.

    pulumi_home: default PULUMI_HOME, else ~/.pulumi. ORCHESTRATOR_PYTHON chooses another Python.
    """
    path = plugin_path(pulumi_home)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(_script(sys.executable))
    fresh.chmod(0o755)
    fresh.replace(path)
    return path


def plugin_installed(pulumi_home: Path | None = None) -> bool:
    """Whether the plugin is there and starts a Python that is there.

    It may be that of another checkout: runs bring their own by ORCHESTRATOR_PYTHON, and two
    checkouts of one user must not take the plugin from each other for ever.
    """
    path = plugin_path(pulumi_home)
    if not path.is_file():
        return False
    text = path.read_text()
    found = _PYTHON.search(text)
    return (
        found is not None
        and text == _script(shlex.split(found[1])[0])
        and os.access(shlex.split(found[1])[0], os.X_OK)
    )


def plugin_path(pulumi_home: Path | None = None) -> Path:
    """Where the plugin's program belongs."""
    home = pulumi_home or Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser()
    name = "pulumi-resource-lighthost"
    return home / "plugins" / f"resource-lighthost-v{VERSION}" / name


_PYTHON = re.compile(r"ORCHESTRATOR_PYTHON:-(.+?)\}\"")


def _script(python: str) -> str:
    return (
        "#!/bin/sh\n"
        "# -P: whatever lies in the stack's folder must not stand in for our modules.\n"
        f'exec "${{ORCHESTRATOR_PYTHON:-{shlex.quote(python)}}}" -P -m'
        ' orchestrator.lighthosts.provider "$@"\n'
    )
