"""What does a plain YAML scalar stand for? The 1.2 core schema, and no guesses.

Words and digits that YAML 1.1, hence Ansible, reads otherwise are refused with what to write.
"""

from __future__ import annotations

import math
import re

_NULLS = ("", "~", "null", "Null", "NULL")
_BOOLS = {"true": True, "false": False}
_DOUBTFUL = re.compile(r"yes|no|on|off", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+(\.[0-9]*)?")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST_NUMBER = 300


class DoubtfulScalar(ValueError):
    """A plain scalar that is refused; `guess` is what was probably meant."""

    def __init__(self, message: str, help: str, guess: bool | int | float | str) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.guess = guess


def plain_value(text: str) -> bool | int | float | str | None:
    """The value of an unquoted scalar. Raises DoubtfulScalar."""
    if text in _NULLS:
        return None
    if text.lower() in _BOOLS and text in (text.lower(), text.upper(), text.capitalize()):
        return _BOOLS[text.lower()]
    if _DOUBTFUL.fullmatch(text):
        raise DoubtfulScalar(
            f"'{text}' is text in YAML 1.2 and true or false in 1.1",
            "write true or false, or quote it",
            text.lower() in ("yes", "on"),
        )
    return _number(text)


def _number(text: str) -> int | float | str:
    if len(text) > _LONGEST_NUMBER and _FLOAT.fullmatch(text):
        raise DoubtfulScalar("this number is too long", "quote it", text)
    if _LEADING_ZERO.fullmatch(text):
        raise DoubtfulScalar(
            f"'{text}' has a leading zero: decimal in YAML 1.2, octal in Ansible",
            f'quote it: "{text}"',
            text,
        )
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL_HEX.fullmatch(text):
        return int(text, 0)
    if _NO_JSON.fullmatch(text):
        raise DoubtfulScalar(f"'{text}' is no number that JSON can carry", "quote it", text)
    if _FLOAT.fullmatch(text):
        if math.isinf(float(text)):
            raise DoubtfulScalar(f"'{text}' is too large a number", "quote it", text)
        return float(text)
    return text
