"""In which shapes does a secret show up in what tools print?

Source: reference policy-and-security, section 5, and what the tools here do besides: Go's JSON
(Pulumi) writes < > & as \\u003c …, Jinja writes quotes as &#34; and &#39;.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 8  # characters; shorter values hide half of a log (masks of < 6 hide everything)
_LEAST_BITS = 20.0  # Shannon bits of the whole value: `aaaaaaaa` has 0, `12341234` 16


def why_weak(value: str) -> str:
    """Why a value is not hidden in texts, or an empty string where it is. Never shows the value."""
    solid = "".join(value.split())
    if len(solid) < SHORTEST:
        return f"a secret of {len(solid)} characters is not hidden in logs; {SHORTEST} are needed"
    counts = Counter(solid).values()
    bits = -sum(n * math.log2(n / len(solid)) for n in counts)
    if bits < _LEAST_BITS:
        return f"a secret of only {len(counts)} different characters is not hidden in logs"
    return ""


def variants(value: str) -> frozenset[str]:
    """Every text by which a value is found, without whitespace (texts are searched without it)."""
    found = {*_whole(value)}
    for line in value.splitlines():
        if not why_weak(line) and not line.startswith("-----"):  # a PEM header is no secret
            found.update(write(line.strip()) for write in _WRITTEN)
    solid = ("".join(text.split()) for text in found)
    return frozenset(text for text in solid if len(text) >= SHORTEST)


def _whole(value: str) -> Iterator[str]:
    raw = _bytes(value)
    for write in _WRITTEN:
        yield write(value)
        yield write(value.strip())
    yield value[::-1]
    yield value.upper()
    yield value.lower()
    yield raw.hex()
    yield raw.hex().upper()
    yield from _base64(raw)


def _base64(raw: bytes) -> Iterator[str]:
    """Standing alone with its padding, and at each offset inside something longer."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            text = encode(bytes(offset) + raw).decode()
            start = (0, 2, 3)[offset]  # characters that hold bits of what stands before
            yield text[start:]
            solid = text.rstrip("=")
            yield solid[start:]
            yield solid[start:-1] if solid != text else solid[start:]  # … of what stands after


def _bytes(value: str) -> bytes:
    """As the variable or file had it, where Python read bytes that are no UTF-8."""
    try:
        return value.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return value.encode(errors="surrogatepass")


def _json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _json_unescaped(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _go_json(value: str) -> str:
    text = _json_unescaped(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _quote_all(value: str) -> str:
    return quote(_bytes(value), safe="")


def _lower_percent(value: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), _quote_all(value))


_WRITTEN: tuple[Callable[[str], str], ...] = (
    str,
    _quote_all,
    _lower_percent,
    lambda v: quote(_bytes(v)),
    lambda v: quote_plus(_bytes(v)),
    _json,
    _json_unescaped,
    _go_json,
    lambda v: _json(_json(v)),
    lambda v: _json(_json_unescaped(v)),
    lambda v: _json(_go_json(v)),
    lambda v: _go_json(_go_json(v)),
    lambda v: html.escape(v, quote=False),
    html.escape,
    lambda v: html.escape(v, quote=False).replace('"', "&#34;").replace("'", "&#39;"),
    lambda v: repr(v)[1:-1],
    lambda v: repr(_bytes(v))[2:-1],
    lambda v: v.replace("'", "''"),  # YAML in single quotes
    lambda v: v.replace("'", "'\"'\"'"),  # a shell word, as shlex.quote writes it
    lambda v: v.replace("'", r"'\''"),  # … as others do
    lambda v: re.sub(r"([^\w@%+=:,./-])", r"\\\1", v),  # … as printf %q does
)
