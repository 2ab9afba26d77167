"""What does every part of a transaction stand on?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Row, Table, bindparam, select
from sqlalchemy.dialects import sqlite

from orchestrator.model.errors import NotFound
from orchestrator.model.runs import RunKey
from orchestrator.store import records
from orchestrator.store.schema import table

RUNS = table(records.RunRecord)


class Part:
    """A connection inside a transaction, for one project. Runs are found by their inner id."""

    def __init__(self, connection: Connection, *, project: str, writable: bool) -> None:
        self._connection = connection
        self._project = project
        self._writable = writable
        self._run_ids: dict[RunKey, int] = {}

    def _rows(self, statement: Executable) -> Sequence[Row[Any]]:
        return self._connection.execute(statement).all()

    def _row(self, statement: Executable) -> Row[Any] | None:
        return self._connection.execute(statement).first()

    def _scalar(self, statement: Executable) -> Any:
        return self._connection.execute(statement).scalar()

    def _change(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()
    ) -> int:
        """The one way to write; how many rows it touched. Raises RuntimeError in a read."""
        if not self._writable:
            raise RuntimeError("a read transaction of the store cannot write")
        return self._connection.execute(statement, values or None).rowcount

    def _put(self, into: Table, values: Mapping[str, Any]) -> None:
        """Inserts the row (all its columns), or gives the row of the same primary key these."""
        self._change(_put_statement(into, self._connection.dialect.name), values)

    def _add_once(
        self, into: Table, once: tuple[str, ...], values: Mapping[str, Any] | Sequence[Any]
    ) -> int:
        """Inserts the rows that are not there yet, by the unique columns `once`; how many."""
        return self._change(_once_statement(into, once, self._connection.dialect.name), values)

    def _run_id(self, key: RunKey) -> int:
        """Raises NotFound naming the nearest runs."""
        found = self._run_ids.get(key)
        if found is None:
            names = {"pipeline": key.pipeline, "environment": key.environment}
            values = {"project": self._project, "number": key.number} | names
            found = self._connection.execute(_RUN_ID, values).scalar()
            if found is None:
                raise NotFound(f"there is no run {key.short}. {self._nearest(key)}")
            self._run_ids[key] = found
        return found

    def _is(self, of: Table, key: RunKey) -> tuple[Any, ...]:
        return self._in(of, key.pipeline, key.environment)

    def _in(self, of: Table, pipeline: str, environment: str) -> tuple[Any, ...]:
        return (
            of.c.project == self._project,
            of.c.pipeline == pipeline,
            of.c.environment == environment,
        )

    def _nearest(self, key: RunKey) -> str:
        mine = select(RUNS.c.number).where(*self._is(RUNS, key)).order_by(RUNS.c.number.desc())
        numbers = [row.number for row in self._rows(mine)]
        near = sorted(numbers, key=lambda number: (abs(number - key.number), number))[:3]
        if near:
            names = ", ".join(f"{key.environment}#{number}" for number in sorted(near))
            return f"The nearest: {names}."
        others = select(RUNS.c.pipeline, RUNS.c.environment, RUNS.c.number)
        rows = self._rows(
            others.where(RUNS.c.project == self._project).order_by(RUNS.c.id.desc()).limit(3)
        )
        if not rows:
            return "Nothing has run yet."
        names = ", ".join(f"{row.pipeline}/{row.environment}#{row.number}" for row in rows)
        return f"Nothing has run in {key.pipeline}/{key.environment}; the latest runs: {names}."


# Statements of the driving loop are built once: building costs more than running them.


@cache
def _put_statement(into: Table, dialect: str) -> Any:
    keys = [column.name for column in into.primary_key]
    insert = _insert(into, dialect)
    rest = {c.name: insert.excluded[c.name] for c in into.columns if c.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=rest)


@cache
def _once_statement(into: Table, once: tuple[str, ...], dialect: str) -> Any:
    return _insert(into, dialect).on_conflict_do_nothing(index_elements=once)


def _insert(into: Table, dialect: str) -> Any:
    """An insert that knows ON CONFLICT: sqlite.Insert or postgresql.Insert, alike in use."""
    if dialect != "postgresql":
        return sqlite.insert(into)
    from sqlalchemy.dialects import postgresql  # its import takes 25 ms of each command's start

    return postgresql.insert(into)


_KEY = ("project", "pipeline", "environment", "number")
_RUN_ID = select(RUNS.c.id).where(*(RUNS.c[name] == bindparam(name) for name in _KEY))
