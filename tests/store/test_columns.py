"""Do times, JSON and odd text keep their form in a column?"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import MappingProxyType

import pytest

from orchestrator.model.values import Secret
from orchestrator.store.columns import body_text, clean, moment_text
from tests.store.samples import AT


def test_times_are_utc_of_one_width() -> None:
    """The order of the texts is the order of the times, whatever zone they came in."""
    berlin = AT.astimezone(timezone(timedelta(hours=1)))
    times = [AT, AT + timedelta(microseconds=1), AT + timedelta(seconds=1)]
    texts = [moment_text(time) for time in times]
    assert moment_text(berlin) == texts[0] == "2026-11-24T12:00:00.000000+00:00"
    assert texts == sorted(texts)
    with pytest.raises(ValueError, match="time zone"):
        moment_text(datetime(2026, 1, 1))  # noqa: DTZ001  # the mistake that is refused


def test_bodies_have_one_form() -> None:
    """Equal JSON has equal text: keys in order, no spaces, frozen mappings and tuples alike."""
    frozen = MappingProxyType({"b": (1, 2), "a": MappingProxyType({})})
    assert body_text(frozen) == body_text({"a": {}, "b": [1, 2]}) == '{"a":{},"b":[1,2]}'
    assert body_text("ü\0\ud800") == '"\\u00fc\\u0000\\ud800"'


def test_a_secret_is_never_written_in_clear() -> None:
    """What is not JSON is refused, and NaN with it."""
    for odd in (Secret("hunter2"), {"a": [Secret("hunter2")]}, b"x", {1, 2}):
        with pytest.raises(TypeError, match="is not JSON"):
            body_text(odd)
    with pytest.raises(ValueError, match="JSON"):
        body_text(float("nan"))


def test_text_that_no_column_takes_is_replaced() -> None:
    """NUL and lone surrogates become U+FFFD; all else stays."""
    assert clean("a\0b\udcffc ü 漢 🙂") == "a\ufffdb\ufffdc ü 漢 🙂"
    assert clean("plain") == "plain"
