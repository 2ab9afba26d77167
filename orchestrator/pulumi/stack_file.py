"""Which settings file and passphrase does an operation get?

The project's own `Pulumi.<stack>.yaml` is the base and is never written to; the stage's `config`
overlays it in the attempt's folder. Secrets are encrypted here, so that none stands on a command
line. Deriving the key costs 0.2 to 1 s: it is done only where there is something to encrypt, or
no salt yet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.model.errors import DefinitionError, SecretError
from orchestrator.model.positions import Position, Problem
from orchestrator.model.values import Value, revealed
from orchestrator.model.work import StackTarget
from orchestrator.pulumi.config import has_secret, has_secure, resealed, settings
from orchestrator.pulumi.environment import PASSPHRASE, PASSPHRASE_FILE
from orchestrator.pulumi.passphrase import Cipher, new_cipher, open_cipher
from orchestrator.pulumi.project import Program
from orchestrator.pulumi.service.cipher import StackCipher

_SALT_FILE = "encryptionsalt"
_PROVIDER_KEYS = ("secretsprovider", "encryptedkey", "encryptionsalt")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFile:
    """A settings file ready for `--config-file`, and what opens its secrets.

    to_set: secrets that only the CLI can encrypt (a cloud key service), by full key.
    """

    path: Path
    passphrase: str = field(repr=False)
    salt: str = ""  # empty where another secrets provider is used
    cipher: Cipher | None = None  # where it had to be derived already
    to_set: Mapping[str, str] = field(default_factory=dict, repr=False)


def write_stack_file(
    folder: Path,
    *,
    program: Program,
    base: Mapping[str, Any],
    overlay: Mapping[str, Value],
    target: StackTarget,
    credentials: Mapping[str, str],
    state_salt: Callable[[], str],
) -> StackFile:
    """state_salt: the salt the stack's state was written with, asked where no other is known.

    Raises DefinitionError where the base holds secrets of a passphrase that nobody gave, and
    SecretError where the passphrase does not fit the salt.
    """
    own = _own_passphrase(credentials)
    path = folder / "stack.json"
    if _foreign_provider(base):
        return _with_foreign_provider(path, program, base, overlay, own or "")
    if own is None:
        _must_hold_no_secrets(program, base, target.name)
    key = _key(base, own, str(revealed(target.passphrase)), target.keep, state_salt)
    passphrase, salt, cipher = key.passphrase, key.salt, key.cipher
    if not salt:
        cipher = new_cipher(passphrase)
        salt = cipher.salt
    if cipher is not None and key.foreign is not None and has_secure(base):
        theirs = open_cipher(own or "", key.foreign)
        base = resealed(base, theirs.decrypt, cipher.encrypt)
    if has_secret(overlay) and cipher is None:
        cipher = open_cipher(passphrase, salt)
    _keep_salt(target.keep, salt)
    encrypt = cipher.encrypt if cipher is not None else _nothing_to_encrypt
    body = settings(base, overlay, project=program.name, salt=salt, encrypt=encrypt)
    _write_private(path, body)
    return StackFile(path=path, passphrase=passphrase, salt=salt, cipher=cipher)


def write_with_store_key(
    folder: Path,
    *,
    program: Program,
    base: Mapping[str, Any],
    overlay: Mapping[str, Value],
    stack: str,
    credentials: Mapping[str, str],
    cipher: Callable[[], StackCipher],
) -> StackFile:
    """The settings of a stack whose state lies in the store: its key encrypts them as well.

    cipher: asked only where something is secret. Raises DefinitionError where the base holds
    secrets of a passphrase that nobody gave, SecretError where its secrets do not open.
    """
    path = folder / "stack.json"
    own = _own_passphrase(credentials)
    if _foreign_provider(base):
        return _with_foreign_provider(path, program, base, overlay, own or "")
    salt = str(base.get("encryptionsalt") or "")
    if has_secure(base):
        if salt and own is None:
            _must_hold_no_secrets(program, base, stack)
        theirs = open_cipher(own or "", salt).decrypt if salt else cipher().decrypt
        base = resealed(base, theirs, cipher().encrypt)
    base = {key: item for key, item in base.items() if key not in _PROVIDER_KEYS}
    encrypt = cipher().encrypt if has_secret(overlay) else _nothing_to_encrypt
    _write_private(path, settings(base, overlay, project=program.name, salt="", encrypt=encrypt))
    return StackFile(path=path, passphrase=own or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """foreign: the salt of the base file's values, where the state's is another one."""

    passphrase: str = field(repr=False)
    salt: str = ""
    cipher: Cipher | None = None
    foreign: str | None = None


def _key(
    base: Mapping[str, Any],
    own: str | None,
    ours: str,
    keep: Path,
    state_salt: Callable[[], str],
) -> _Key:
    """The key a stack was made with stays its key, though the environment hands on another since.

    One environment's stacks share its credentials: what one of them needs must shut no other out.
    """
    if own is None:
        return _Key(passphrase=ours, salt=_kept_salt(keep) or state_salt())
    theirs = str(base.get("encryptionsalt") or "")
    known = _kept_salt(keep)
    if known != theirs or not known:
        known = state_salt() or known
    if known in ("", theirs):
        return _Key(passphrase=own, salt=theirs)
    for passphrase in (own, ours):
        try:
            cipher = open_cipher(passphrase, known)
        except SecretError:
            continue
        if theirs and passphrase == own:
            break  # both open with it, and the file's own salt is what the user sees
        return _Key(passphrase=passphrase, salt=known, cipher=cipher, foreign=theirs or None)
    return _Key(passphrase=own, salt=theirs or known)  # where neither fits, the CLI says so


def _with_foreign_provider(
    path: Path, program: Program, base: Mapping[str, Any], overlay: Mapping[str, Value], own: str
) -> StackFile:
    """The CLI encrypts there, told each secret on standard input."""
    later: dict[str, str] = {}

    def put_off(text: str) -> str:
        token = f"v1:later:{len(later)}"
        later[token] = text
        return token

    body = settings(base, overlay, project=program.name, salt="", encrypt=put_off)
    to_set = {}
    for key, value in list(body["config"].items()):
        if isinstance(value, Mapping) and value.get("secure") in later:
            to_set[key] = later.pop(value["secure"])
            del body["config"][key]
    if later:
        raise _problem(
            "secrets inside lists or maps cannot be given to a stack that a key service encrypts",
            program.file,
            "make the whole value a secret",
        )
    _write_private(path, body)
    return StackFile(path=path, passphrase=own, to_set=to_set)


def _own_passphrase(credentials: Mapping[str, str]) -> str | None:
    """The user's own, where the environment hands it on."""
    if PASSPHRASE in credentials:
        return credentials[PASSPHRASE]
    if PASSPHRASE_FILE in credentials:
        try:
            text = Path(credentials[PASSPHRASE_FILE]).expanduser().read_text(encoding="utf-8")
        except OSError as error:
            raise _problem(
                f"{PASSPHRASE_FILE} names a file that cannot be read: {error.strerror}", "", ""
            ) from error
        return text.strip()
    return None


def _foreign_provider(base: Mapping[str, Any]) -> bool:
    return str(base.get("secretsprovider") or "default") not in ("default", "passphrase")


def _must_hold_no_secrets(program: Program, base: Mapping[str, Any], stack: str) -> None:
    if has_secure(base):
        raise _problem(
            f"Pulumi.{stack}.yaml holds values encrypted with a passphrase of its own",
            f"{program.file.rpartition('/')[0]}/Pulumi.{stack}.yaml",
            f"list {PASSPHRASE} under 'credentials: pulumi' of the environment and set it",
        )


def _kept_salt(keep: Path) -> str:
    try:
        return (keep / _SALT_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _keep_salt(keep: Path, salt: str) -> None:
    if _kept_salt(keep) != salt:
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(keep / _SALT_FILE, salt)


def _write_private(path: Path, content: object) -> None:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)


def _nothing_to_encrypt(text: str) -> str:
    raise AssertionError(f"{len(text)} characters were to be encrypted without a key")


def _problem(message: str, file: str, help_: str) -> DefinitionError:
    position = Position(file=file, line=1, column=1) if file else None
    return DefinitionError([Problem(message=message, position=position, help=help_)])
