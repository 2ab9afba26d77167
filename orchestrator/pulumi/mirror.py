"""How does stock Pulumi find a stack of the store while we are down? In a copy in files.

The layout is that of a `file://` backend, the secrets under a passphrase (your own, where the
environment's credentials name PULUMI_CONFIG_PASSPHRASE; else the one of `stack passphrase`), and
the settings lie beside it. A mirror that somebody changed is not overwritten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from orchestrator.model.errors import OrchestratorError
from orchestrator.model.stacks import StackName
from orchestrator.pulumi.file_backend import FileStack
from orchestrator.pulumi.passphrase import Cipher, open_cipher
from orchestrator.pulumi.place import StoreStack
from orchestrator.pulumi.prepare import Prepared
from orchestrator.pulumi.resealing import resealed
from orchestrator.pulumi.stack_file import write_stack_file

_NOTES = "orchestrator"  # a folder of the mirror: what we wrote last, by stack


def mirrored(prepared: Prepared) -> tuple[str, ...]:
    """The copy is as the stack is now. Else a note says why it is not: an update never fails by it.

    The next update writes what this one could not.
    """
    place = prepared.place
    if not prepared.target.mirror or not isinstance(place, StoreStack):
        return ()
    root = Path(prepared.target.mirror).expanduser()
    try:
        return _written(prepared, place, root)
    except (OSError, OrchestratorError) as error:
        why = f"{error.strerror} ({error.filename})" if isinstance(error, OSError) else str(error)
        return (f"the mirror in {root} is not up to date: {why}; the next update writes it",)


def _written(prepared: Prepared, place: StoreStack, root: Path) -> tuple[str, ...]:
    stack = FileStack(root=root, project=place.name.project, stack=place.name.name)
    note = root / _NOTES / place.name.project / f"{place.name.name}.json"
    if (by_hand := _changed_by_hand(stack, note, place)) is not None:
        return (by_hand,)
    if not place.exists:
        for path in (stack.checkpoint, note, _settings(root, place.name)):
            if path is not None:
                path.unlink(missing_ok=True)
        return ()
    deployment = dict(place.deployment())
    digest = sha256(json.dumps(deployment).encode()).hexdigest()
    known, now = _read(note), _digest(stack.checkpoint)
    if known.get("state") == digest and now and known.get("files", ())[-1:] == [now]:
        return ()
    cipher = _write_settings(prepared, root, place.name, stack)
    provider = {"type": "passphrase", "state": {"salt": cipher.salt}}
    moved = resealed(deployment, place.cipher.decrypt, cipher.encrypt, provider)
    text = stack.text_of(moved)
    # Before the file: whoever dies between the two finds either of them to be ours.
    files = [now, sha256(text.encode()).hexdigest()]
    _write(note, json.dumps({"state": digest, "files": files}))
    stack.make()
    _write(stack.path, text)
    return ()


def _changed_by_hand(stack: FileStack, note: Path, place: StoreStack) -> str | None:
    """Why it may not be overwritten: it is neither ours nor a state that the store has had."""
    if stack.checkpoint is None or not stack.deployment():
        return None
    if _digest(stack.checkpoint) in _read(note).get("files", ()):
        return None
    there = _open_part(stack.deployment())
    if any(_open_part(kept) == there for kept in place.kept()):
        return None
    return (
        f"the mirror in {stack.root} was left alone: somebody else wrote the state of "
        f"{stack.project}/{stack.stack} there. Take it in (orchestrator stack import-from "
        f"{stack.root} ENV --replace), or remove {stack.checkpoint}; the next update writes it"
    )


def _open_part(value: Any) -> Any:
    """What two states have in common whatever their keys and times."""
    if isinstance(value, Mapping):
        left_out = ("manifest", "secrets_providers", "ciphertext", "metadata")
        return {k: _open_part(v) for k, v in value.items() if k not in left_out}
    return [_open_part(item) for item in value] if isinstance(value, list) else value


def _write_settings(prepared: Prepared, root: Path, name: StackName, stack: FileStack) -> Cipher:
    """The stack's settings for `--config-file`, under the passphrase that the state is under."""
    provider = stack.deployment().get("secrets_providers") or {}
    salt = str((provider.get("state") or {}).get("salt") or "")
    folder = prepared.operation.work.folder / "mirror"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = write_stack_file(
        folder,
        program=prepared.program,
        base=prepared.base,
        overlay=prepared.spec.config,  # type: ignore[arg-type]  # resolved by Work's promise
        target=replace(prepared.target, keep=folder / "keep"),
        credentials=prepared.operation.work.credentials,
        state_salt=lambda: salt,
    )
    path = _settings(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, file.path.read_text(encoding="utf-8"))
    return file.cipher or open_cipher(file.passphrase, file.salt)


def _settings(root: Path, name: StackName) -> Path:
    return root / "config" / name.project / f"Pulumi.{name.name}.yaml"


def _read(path: Path) -> Mapping[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _digest(path: Path | None) -> str:
    return "" if path is None else sha256(path.read_bytes()).hexdigest()


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and nobody else's to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
