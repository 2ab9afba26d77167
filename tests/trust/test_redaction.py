"""The table of the reference, measured anew: nothing of the caught classes may be missed."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import secrets as randomness
import shlex
import string
from collections.abc import Callable
from functools import cache
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.values import Json
from orchestrator.ports import Redactor
from orchestrator.trust import search
from orchestrator.trust.redaction import MASK, KnownSecrets

ALPHABET = string.ascii_letters + string.digits + "+/=&<>\"'\\ $%{}é"


def made(count: int = 500, seed: int = 7) -> list[str]:
    """Random secrets of 12 to 40 characters that neither begin nor end blank."""
    dice = random.Random(seed)
    texts = ("".join(dice.choices(ALPHABET, k=dice.randint(12, 40))) for _ in range(count))
    return [f"s{text}e" for text in texts]


@cache
def five_hundred() -> tuple[list[str], KnownSecrets]:
    values = made()
    return values, KnownSecrets(values)


def streamed(known: KnownSecrets, text: str, seed: int = 1) -> str:
    """The text after random reads of 1 to 17 characters."""
    dice = random.Random(seed)
    stream = known.stream()
    parts: list[str] = []
    while text:
        size = dice.randint(1, 17)
        parts.append(stream.feed(text[:size]))
        text = text[size:]
    return "".join(parts) + stream.end()


def b64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "url": lambda s: quote(s, safe=""),
    "url path": quote,
    "url form": quote_plus,
    "url lower": lambda s: re.sub("%..", lambda m: m[0].lower(), quote(s, safe="")),
    "json": lambda s: json.dumps(s)[1:-1],
    "json unescaped": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "json in json": lambda s: json.dumps(json.dumps(s))[3:-3],
    "html": html.escape,
    "repr": lambda s: repr(s)[1:-1],
    "shell": lambda s: shlex.quote(f" {s}")[2:-1],
    "hex": lambda s: s.encode().hex(),
    "HEX": lambda s: s.encode().hex().upper(),
    "base64": b64,
    "base64url": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "reversed": lambda s: s[::-1],
    "upper": str.upper,
    "lower": str.lower,
    "one character a line": "\n".join,
    "colours inside": lambda s: f"{s[:3]}\x1b[1;31m{s[3:7]}\x1b[0m\x1b]0;title\x07{s[7:]}",
    "go json": lambda s: (
        json.dumps(s, ensure_ascii=False)[1:-1]
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
    ),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_encoded_secret_is_missed(encoding: str) -> None:
    """Each of 500 secrets is gone in each encoding, every tenth also in small random reads."""
    values, known = five_hundred()
    for number, value in enumerate(values):
        text = f"before {ENCODINGS[encoding](value)} after"
        assert known.text(text) == f"before {MASK} after", value
        if number % 10 == 0:
            assert streamed(known, text, number) == f"before {MASK} after", value


@pytest.mark.parametrize("prefix", ["", "u", "us", "user:", "admin:", "a\n"])
def test_inside_longer_base64(prefix: str) -> None:
    """At most four base64 characters of `user:password` stay, at every offset."""
    values, known = five_hundred()
    for value in values:
        text = b64(f"{prefix}{value}@host")
        left = known.text(text)
        assert MASK in left, value
        before, after = left.split(MASK)
        assert len(before) <= len(b64(prefix)) + 3
        assert len(after) <= len(b64("@host")) + 4


def test_wrapped_base64() -> None:
    """Base64 wrapped at 76 characters is found, whatever stands around it in the same block."""
    values, known = five_hundred()
    for number, value in enumerate(values):
        block = f"{'x' * (number % 60)}{value}{'y' * 30}".encode()
        text = base64.encodebytes(block).decode()
        assert MASK in known.text(text), value
        if number % 10 == 0:
            assert streamed(known, text) == known.text(text)


def test_lines_of_a_key() -> None:
    """Each line of a many-line secret is found alone, and its public first line is left."""
    body = [randomness.token_urlsafe(48) for _ in range(5)]
    key = "\n".join(["-----BEGIN OPENSSH PRIVATE KEY-----", *body, "-----END KEY-----"])
    known = KnownSecrets([key])
    for line in body:
        assert known.text(f"> {line} <") == f"> {MASK} <"
    assert known.text(key) == MASK
    assert known.text(json.dumps({"key": key})) == f'{{"key": "{MASK}"}}'
    assert known.text("-----BEGIN OPENSSH PRIVATE KEY-----").startswith("-----BEGIN")


def test_an_escape_before_a_secret_does_not_save_it() -> None:
    """A secret right behind an unfinished escape sequence is found as it stands."""
    known = KnownSecrets(["12345678901mypassword"])
    assert known.text("\x1b[12345678901mypassword") == f"\x1b[{MASK}"
    assert streamed(known, "\x1b[12345678901mypassword!") == f"\x1b[{MASK}!"


def test_text_without_secrets_stays_as_it_is() -> None:
    """Nothing else of a text changes: colours, blanks and line ends are kept."""
    known = KnownSecrets(["correct-horse-battery"])
    text = "\x1b[32mok\x1b[0m: [web1]\r\n\tsecret: \x1b[31mcorrect-horse-battery\x1b[0m\n"
    assert known.text(text) == text.replace("correct-horse-battery", MASK)


def test_a_stream_shows_lines_at_once() -> None:
    """A piece that cannot be the beginning of a secret is not held back."""
    stream = KnownSecrets(["correct-horse-battery"]).stream()
    assert stream.feed("TASK [base]\n") == "TASK [base]\n"
    assert stream.feed("pass=corr") == "pass="
    assert stream.feed("ect-horse-battery\nok\n") == f"{MASK}\nok\n"
    assert stream.end() == ""


def test_a_stream_holds_no_more_than_it_must() -> None:
    """A flood of blank lines behind a beginning is let go at last."""
    stream = KnownSecrets(["correct-horse-battery"]).stream()
    got = stream.feed("correct" + "\n" * 3_000_000)
    assert len(got) == 3_000_007
    assert stream.end() == ""


def test_json_keys_values_and_numbers() -> None:
    """Keys, texts and numbers are masked at any depth, other values keep their types."""
    known = KnownSecrets(["correct-horse-battery", "918273645546372819"])
    value: Json = {
        "correct-horse-battery": 1,
        "x correct-horse-battery": [{"deep": ("correct-horse-battery y")}, None, True, 1.5],
        "pin": 918273645546372819,
        MASK: 2,
    }
    assert known.json(value) == {
        MASK: 1,
        f"x {MASK}": [{"deep": f"{MASK} y"}, None, True, 1.5],
        "pin": MASK,
        f"{MASK} 2": 2,
    }


def test_json_of_endless_depth() -> None:
    """JSON nested deeper than anything sensible is masked, not an error."""
    value: Json = "correct-horse-battery"
    for _ in range(5000):
        value = [value]
    shown = str(KnownSecrets(["correct-horse-battery"]).json(value))
    assert "horse" not in shown


@pytest.mark.parametrize(
    "value", ["short", "aaaaaaaaaaaa", "abababababab", "s e c r e t", "12121212"]
)
def test_weak_values(value: str) -> None:
    """Short or monotonous values are not searched for, and a warning says so without them."""
    known = KnownSecrets([value])
    assert known.text(f"a {value} b") == f"a {value} b"
    assert len(known.weak) == 1
    assert value not in known.weak[0]


def test_added_later() -> None:
    """A value added after the first search is found from then on, in a running stream too."""
    known = KnownSecrets(["correct-horse-battery"])
    stream = known.stream()
    assert stream.feed("lease-token-4711\n") == "lease-token-4711\n"
    known.add("lease-token-4711")
    assert known.text("lease-token-4711") == MASK
    assert stream.feed("lease-token-4711\n") + stream.end() == f"{MASK}\n"


def test_knowing_nothing() -> None:
    """Without secrets the very same object comes back."""
    known: Redactor = KnownSecrets()
    value: Json = {"a": ["b"]}
    assert known.json(value) is value
    assert KnownSecrets().stream().feed("abc") == "abc"


@given(
    st.lists(st.sampled_from(["hunter2hunter3", "ter3hunter9", "hunt", "x", "\n", " ", "er2"])),
    st.integers(0, 10_000),
)
def test_a_stream_says_what_the_whole_says(parts: list[str], seed: int) -> None:
    """However a text is cut, the stream shows what masking the whole would show."""
    known = KnownSecrets(["hunter2hunter3", "ter3hunter9", "x hunter9 ter3 x"])
    text = "".join(parts)
    assert streamed(known, text, seed) == known.text(text)


@given(st.text(alphabet="\x1b\x9b[]0;1m \x07\n\\AZ~nre3u%é\u200b\x00\x1c", max_size=30))
def test_the_fast_ways_are_the_slow_ones(text: str) -> None:
    """What is searched and the map back into the text leave out the same characters."""
    for way in search.WAYS:
        solid, places = way.solid(text), search._Places(text, way.left_out)
        assert solid == way.left_out.sub("", text)
        assert solid == "".join(text[places.of(index)] for index in range(len(solid)))


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda lines: json.dumps("\n".join(lines)),
        lambda lines: json.dumps(json.dumps("\r\n".join(lines))),
        lambda lines: json.dumps("\x1b[0m".join(lines)),
        lambda lines: "%0A".join(lines),
    ],
)
def test_wrapping_that_is_written_out(wrapped: Callable[[list[str]], str]) -> None:
    """Base64 wrapped inside a line of JSON, as in Ansible's results, is found; in reads as well."""
    values, known = five_hundred()
    for number, value in enumerate(values):
        text = wrapped(base64.encodebytes(f"{'x' * 60}{value}".encode()).decode().split())
        assert MASK in known.text(text), value
        if number % 10 == 0:
            assert streamed(known, text, number) == known.text(text)


@pytest.mark.parametrize("value", ["\ud800abcdefghij", "abc\udcffdefghijk", "\x00\x01abcdefghij"])
def test_text_that_is_no_text(value: str) -> None:
    """Lone surrogates and control bytes neither fail nor slip through."""
    known = KnownSecrets([value])
    assert known.text(f"a {value} b") == f"a {MASK} b"
    assert known.text(json.dumps(value)) == f'"{MASK}"'


def test_a_very_long_secret_is_caught_whole_and_by_its_pieces() -> None:
    """A bundle of certificates, say: one pattern of that length ends the process in the library."""
    value = "".join(random.Random(3).choices(string.ascii_letters + string.digits, k=400_000))
    known = KnownSecrets([value, "another-secret-1"])
    assert set(known.text(f"a {value} b")) <= set(f"a b{MASK}")
    assert known.text(base64.b64encode(value.encode()).decode()).count(MASK) > 100
    half = known.text(value[:200_000])
    assert len(half.replace(MASK, "")) < 3000
    known.add("a-third-secret-2")  # gives the first search up
    assert known.text("a-third-secret-2 another-secret-1") == f"{MASK} {MASK}"
