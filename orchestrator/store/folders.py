"""Where on this machine does a project's store lie?

    <state home>/orchestrator/<project id>/      0700, outside every checkout
        store.json         which store this is
        keys.json          what seals its secrets (made by trust/)
        orchestrator.db    the database, where the store is local
        attempts/ stacks/ cache/ environments/

The project's id alone leads here, so every clone on a machine meets the same store.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from orchestrator.model.errors import UsageError

ABOUT = "store.json"
DATABASE = "orchestrator.db"
KEYS = "keys.json"
FOLDERS = ("attempts", "stacks", "cache", "environments")
PRIVATE = 0o700
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def state_home(variables: Mapping[str, str] | None = None) -> Path:
    """$ORCHESTRATOR_STATE, or $XDG_STATE_HOME, or ~/.local/state. Raises UsageError.

    A relative $ORCHESTRATOR_STATE is refused: it would mean another store in every folder. A
    relative $XDG_STATE_HOME counts as absent, as its specification says.
    """
    given = os.environ if variables is None else variables
    ours = given.get("ORCHESTRATOR_STATE", "")
    if ours and not Path(ours).is_absolute():
        raise UsageError(
            f"ORCHESTRATOR_STATE is {ours!r}, which means another folder wherever one stands.",
            next="Give it as an absolute path.",
        )
    if ours:
        return Path(ours)
    theirs = given.get("XDG_STATE_HOME", "")
    if theirs and Path(theirs).is_absolute():
        return Path(theirs)
    return Path.home() / ".local" / "state"


def store_folder(project_id: str) -> Path:
    """The folder of a project's store, be it there or not. Raises UsageError for an odd id."""
    if not _ID.fullmatch(project_id):
        raise UsageError(
            f"the project's id {project_id!r} cannot name a folder.",
            next="Use letters, digits, '.', '_' and '-' in orchestrator.yaml.",
        )
    return state_home() / "orchestrator" / project_id
