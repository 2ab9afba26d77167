"""Where does the value of a secret come from? Locators: `env://NAME`, `file://PATH`.

No error text here ever holds a value.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from orchestrator.model.errors import SecretError
from orchestrator.ports import Vault

SCHEMES = ("env", "file")
_LARGEST = 1024 * 1024  # bytes; larger than this is no secret but a wrong path
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def resolve(locator: str, environment: Mapping[str, str], root: Path) -> str:
    """The value a locator names; one newline at the end of a file is not part of it.

    environment: the variables env:// may read. root: what a relative file:// path starts from;
    `~` is the home folder. Raises SecretError: unknown scheme, missing, empty or unreadable.
    """
    scheme, rest = _split(locator)
    if scheme == "env":
        return _from_environment(locator, rest, environment)
    return _from_file(locator, _path_of(rest, root))


def version_of(locator: str, value: str, vault: Vault) -> str:
    """What changes when the secret does, without showing it: for the environment digest."""
    return vault.keyed_hash({"locator": locator, "value": value})


def file_of(locator: str, root: Path) -> Path | None:
    """The file a locator names, whether it is there or not; None for the other schemes."""
    scheme, rest = _split(locator)
    return _path_of(rest, root) if scheme == "file" else None


def warning_for(locator: str, root: Path) -> str:
    """Why the place of a secret is doubtful, or an empty string: a file others may read."""
    path = file_of(locator, root)
    if path is None:
        return ""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""  # resolve says it better
    if not mode & stat.S_IROTH:
        return ""
    return f"{path} may be read by everybody on this machine; run: chmod 600 {path}"


def _split(locator: str) -> tuple[str, str]:
    scheme, separator, rest = locator.partition("://")
    known = ", ".join(f"{name}://" for name in SCHEMES)
    if not separator:  # it may be the value itself, written here by mistake: not shown
        raise SecretError(
            "a secret must be a locator, not a value",
            next=f"Write where it is to be found; there are: {known}",
        )
    if scheme not in SCHEMES:
        shown = scheme if _NAME.fullmatch(scheme) else "this one"
        raise SecretError(f"no secrets can be read from {shown}://; there are: {known}")
    return scheme, rest


def _path_of(rest: str, root: Path) -> Path:
    try:
        return root / Path(rest).expanduser()
    except RuntimeError as error:  # ~nobody
        raise SecretError(f"file://{rest} names a home folder that does not exist") from error


def _from_environment(locator: str, name: str, environment: Mapping[str, str]) -> str:
    if not _NAME.fullmatch(name):
        raise SecretError(f"{locator} does not name a variable; right would be env://NAME")
    value = environment.get(name, "")
    if not value:
        state = "is empty" if name in environment else "is not set"
        raise SecretError(
            f"the secret {locator} cannot be read: the variable {name} {state}",
            next=f"Set it in the shell that runs orchestrator: export {name}=…",
        )
    try:
        value.encode()
    except UnicodeEncodeError:  # no `from`: the error holds the value
        raise _unreadable(locator, f"the variable {name} is not UTF-8 text") from None
    return value


def _from_file(locator: str, path: Path) -> str:
    try:
        raw = _bytes_of(path)
        text = raw.decode()
    except UnicodeDecodeError:  # no `from`: the error holds the bytes
        raise _unreadable(locator, f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise _unreadable(locator, f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise _unreadable(locator, f"{path} {error}") from error
    value = text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")
    if not value:
        raise _unreadable(locator, f"{path} is empty")
    return value


def _bytes_of(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO never hangs us
    try:
        state = os.fstat(descriptor)
        if stat.S_ISDIR(state.st_mode):
            raise ValueError("is a folder")
        if not stat.S_ISREG(state.st_mode):
            raise ValueError("is not a file")
        if state.st_size > _LARGEST:
            raise ValueError("is larger than 1 MiB")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_LARGEST)
    finally:
        os.close(descriptor)


def _unreadable(locator: str, why: str) -> SecretError:
    return SecretError(f"the secret {locator} cannot be read: {why}")
