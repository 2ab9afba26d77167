"""Is the stack there, is it free, and was anything left half-made? Asked before each change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.model.errors import ToolError
from orchestrator.pulumi.cli import ask_plainly
from orchestrator.pulumi.failures import told_plainly
from orchestrator.pulumi.pending import Pending, adopted
from orchestrator.pulumi.place import StoreStack
from orchestrator.pulumi.prepare import Prepared

NO_SUCH_STACK = 6  # exit code of Pulumi


def state_of(prepared: Prepared) -> Mapping[str, Any] | None:
    """The stack's deployment ({} while it is empty); None where there is no such stack.

    Read from the file or the store, else by one `stack export`. Raises ToolError
    where the backend does not answer.
    """
    if prepared.place is not None:
        return prepared.place.deployment() if prepared.place.exists else None
    answer = ask_plainly(prepared.operation, ("stack", "export"))
    if answer.code == NO_SUCH_STACK or any("no stack named" in line for line in answer.stderr):
        return None
    if answer.code != 0:
        raise _refused("read", prepared, answer.stderr)
    deployment = json.loads("\n".join(answer.stdout)).get("deployment")
    return deployment if isinstance(deployment, Mapping) else {}


def make_stack(prepared: Prepared) -> None:
    """The stack exists afterwards, empty. Raises ToolError."""
    if prepared.place is not None:
        prepared.place.make()
        return
    folder = prepared.operation.work.folder / "scratch"  # init writes a settings file beside it
    folder.mkdir(exist_ok=True)
    project = prepared.operation.stack.split("/")[-2:-1] or ["project"]
    (folder / "Pulumi.yaml").write_text(f"name: {project[0]}\nruntime: python\n")
    words = ("stack", "init", "--no-select", "--cwd", str(folder))
    answer = ask_plainly(prepared.operation, words)
    if answer.code != 0:
        raise _refused("made", prepared, answer.stderr)


def remove_stack(prepared: Prepared) -> None:
    """An empty stack is gone; in the store its history stays. Raises ToolError."""
    if isinstance(prepared.place, StoreStack):
        prepared.place.remove()
        return
    answer = ask_plainly(prepared.operation, ("stack", "rm", "--yes", "--preserve-config"))
    if answer.code != 0:
        raise _refused("removed", prepared, answer.stderr)


def adopt(prepared: Prepared, pending: Pending) -> None:
    """Unfinished creates whose ids are known stand in the state as resources. Raises ToolError."""
    if isinstance(prepared.place, StoreStack):
        prepared.place.replace(adopted(prepared.place.deployment(), pending))
        return
    answer = ask_plainly(prepared.operation, ("stack", "export"))
    if answer.code != 0:
        raise _refused("read", prepared, answer.stderr)
    body = json.loads("\n".join(answer.stdout))
    body["deployment"] = adopted(body["deployment"], pending)
    path = prepared.operation.work.folder / "state.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(body))
    answer = ask_plainly(prepared.operation, ("stack", "import", "--file", str(path)))
    path.unlink()
    if answer.code != 0:
        raise _refused("written", prepared, answer.stderr)


def _refused(act: str, prepared: Prepared, stderr: tuple[str, ...]) -> ToolError:
    text = told_plainly("\n".join(line for line in stderr if line.strip())[-2000:])
    return ToolError(
        f"The stack {prepared.operation.stack} cannot be {act}: {text or 'Pulumi said nothing'}",
        holds="Nothing was changed.",
    )
