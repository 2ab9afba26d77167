"""What does a refusal of the database mean for a person?"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

from orchestrator.model.errors import StoreUnwritable

_HOLDS = "Nothing of this step was written; all that was recorded before stands."
_NO_ANSWER = ("08", "28", "3D", "57")  # connection, login, no such database, shut down
_AGAIN = "Then repeat the command: it goes on where the record ends."


def failure_of(error: DBAPIError, *, where: str, waited: int) -> StoreUnwritable | None:
    """The error to show; None where the database refused because of a mistake of ours.

    where: the file, or the URL without its password. waited: seconds a lock was waited for.
    """
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        found = _of_sqlite(cause, where, waited)
    else:
        found = _of_postgresql(cause, where, waited)
    if found is None:
        return None
    what, next_step = found
    return StoreUnwritable(what, holds=_HOLDS, next=next_step)


def _of_sqlite(error: sqlite3.Error, where: str, waited: int) -> tuple[str, str] | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the extended part does not matter
    if code == sqlite3.SQLITE_FULL:
        return f"the disk is full: {where} cannot grow.", f"Free space there. {_AGAIN}"
    if code == sqlite3.SQLITE_READONLY:
        return f"{where} is read-only.", f"Make it and its folder writable again. {_AGAIN}"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _locked(where, waited)
    if code == sqlite3.SQLITE_CANTOPEN:
        what = f"{where} cannot be opened: its folder is gone, forbidden, or read-only."
        return what, f"See to its folder. {_AGAIN}"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"{where} is damaged ({error}).", "Restore it from a backup; do not make a new one."
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
        return f"{where} cannot be written ({error}).", f"See to its disk and rights. {_AGAIN}"
    return None


def _of_postgresql(error: BaseException | None, where: str, waited: int) -> tuple[str, str] | None:
    state = getattr(error, "sqlstate", None)
    said = _first_line(error)
    if state is None and type(error).__name__ not in ("OperationalError", "InterfaceError"):
        return None
    if state is None or state[:2] in _NO_ANSWER:
        return f"{where} does not answer ({said}).", f"Bring it back. {_AGAIN}"
    if state == "55P03":
        return _locked(where, waited)
    if state == "25006":
        return f"{where} is read-only ({said}).", f"Use its primary server. {_AGAIN}"
    if state == "25P03":
        return f"{where} ended a transaction that was left open ({said}).", "Repeat the command."
    if state[:2] in ("53", "54", "58"):
        return f"{where} has no room or resources left ({said}).", f"See to its server. {_AGAIN}"
    if state == "42501":
        return f"{where} may not be written by this user ({said}).", f"Grant it. {_AGAIN}"
    return None


def _locked(where: str, waited: int) -> tuple[str, str]:
    what = f"another process has kept {where} locked for more than {waited} s."
    return what, "See which orchestrator process hangs there, then repeat the command."


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
