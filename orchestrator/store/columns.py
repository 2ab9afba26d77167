"""How do times, JSON and words of foreign tools lie in a column, the same on both databases?"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_ODD = re.compile("[\\0\ud800-\udfff]")
# SQLite numbers rows by itself only where the column is exactly INTEGER.
BigNumber = BigInteger().with_variant(Integer(), "sqlite")


class Moment(TypeDecorator[datetime]):
    """An aware UTC time as ISO 8601 text of one width, so that text order is time order."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> str | None:
        return None if value is None else moment_text(value)

    def process_result_value(self, value: str | None, _: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Body(TypeDecorator[Any]):
    """JSON as text in one form: keys in order, no spaces, ASCII only."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _: Dialect) -> str:
        return body_text(value)

    def process_result_value(self, value: str | None, _: Dialect) -> Any:
        return None if value is None else json.loads(value)


class Words(TypeDecorator[str]):
    """Text that came from outside; what no text column can hold becomes U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _: Dialect) -> str | None:
        return None if value is None else clean(value)


def moment_text(at: datetime) -> str:
    """UTC with microseconds. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} names no time zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def body_text(value: Any) -> str:
    """ASCII only: tools print NUL and broken UTF-8, which PostgreSQL's text refuses raw.

    Raises TypeError for anything but JSON: a Secret cannot slip in. ValueError for NaN.
    """
    return _encoder.encode(value)


def clean(text: str) -> str:
    """The text without NUL (PostgreSQL refuses it) and lone surrogates (no UTF-8 for them)."""
    if text.isascii() and "\0" not in text:
        return text
    return _ODD.sub("\ufffd", text)


def _plain(value: object) -> object:
    """Frozen mappings and sequences of the model as json knows them."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


_encoder = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_plain
)
