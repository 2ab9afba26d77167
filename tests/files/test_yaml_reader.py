"""Is YAML read strictly, harmlessly, and with the place of everything?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.files.problems import rendered
from orchestrator.files.sources import Source
from orchestrator.files.yaml_reader import LARGEST, Document, decoded, read
from orchestrator.model.errors import DefinitionError


def one(text: str) -> Document:
    documents, problems = read(Source("f.yaml", text))
    assert problems == ()
    return documents[0]


def complaints(text: str) -> list[str]:
    _, problems = read(Source("f.yaml", text))
    return [
        f"{p.position.line}:{p.position.column}+{p.length} {p.message}"
        for p in problems
        if p.position
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("0o14", 12),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("-1.25", -1.25),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-12-18", "2026-12-18"),
        ("=", "="),
        ("tRUE", "tRUE"),
        ("yesterday", "yesterday"),
        ("'yes'", "yes"),
        ('"0644"', "0644"),
        ("'12'", "12"),
        ("${{ vars.x }}", "${{ vars.x }}"),
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    """A scalar is what the 1.2 core schema says, and text when it is quoted."""
    data = one(f"a: {text}\n").data
    assert data == {"a": value}
    assert type(data["a"]) is type(value)


def test_keys_are_text() -> None:
    """Keys are text whatever they look like: `on:` is a key of a retry."""
    assert one("on: [a]\nyes: 1\n1: x\nnull: y\n").data == {
        "on": ["a"],
        "yes": 1,
        "1": "x",
        "null": "y",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: yes", ["1:4+3 'yes' is text in YAML 1.2 and true or false in 1.1"]),
        ("a: [Off]", ["1:5+3 'Off' is text in YAML 1.2 and true or false in 1.1"]),
        ("a: 0644", ["1:4+4 '0644' has a leading zero: decimal in YAML 1.2, octal in Ansible"]),
        ("a: -01", ["1:4+3 '-01' has a leading zero: decimal in YAML 1.2, octal in Ansible"]),
        ("a: .inf", ["1:4+4 '.inf' is no number that JSON can carry"]),
        ("a: 1e999", ["1:4+5 '1e999' is too large a number"]),
        ("a: " + "9" * 5000, ["1:4+5000 this number is too long"]),
        ("a: 1\nb: 2\na: 3", ["3:1+1 key 'a' stands here twice"]),
        ("a: {b: 1, b: 2}", ["1:11+1 key 'b' stands here twice"]),
        ("a: &x [1]", ["1:4+2 anchor '&x' is not read"]),
        ("a: *x", ["1:4+2 alias '*x' is not read"]),
        ("a: !!str 5", ["1:4+5 tag '!!str' is not read"]),
        ("a: !vault |\n  x", ["1:4+6 tag '!vault' is not read"]),
        ("a: ! b", ["1:4+1 tag '!' is not read"]),
        ("<<: {a: 1}", ["1:1+2 merge keys ('<<') are not read"]),
        ("? [a]\n: b", ["1:3+1 a key must be text, not a map, a list or an alias"]),
        ("?\n: b", ["1:2+1 a key is missing before ':'"]),
        ('"${{ a.b }}": 1', ["1:1+12 a key cannot hold a reference"]),
        ("a: \x01", ["1:4+1 the character U+0001 is not allowed"]),
        ("[" * 70 + "]" * 70, ["1:66+1 nested deeper than 64 levels"]),
    ],
)
def test_refused(text: str, told: list[str]) -> None:
    """What YAML 1.1 or a clever file would make something else of is refused at its place."""
    assert complaints(text) == told


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("a: { b: ${{ vars.x }} }", 'quote a reference inside braces or brackets: "${{ vars.x }}"'),
        ("a: [${{ vars.x }}]", 'quote a reference inside braces or brackets: "${{ vars.x }}"'),
        (
            "a: {{ x }}",
            "did you mean '${{ x }}'? Ansible's own '{{ x }}' must be quoted",
        ),
        (
            "a: {{ x }}/y",
            "did you mean '${{ x }}'? Ansible's own '{{ x }}' must be quoted",
        ),
        ("a: x: y", "text with ': ' in it needs quotes"),
        ("a:\n\tb: 1", "indent with spaces; YAML allows no tabs there"),
        ("a: @x", "text that begins with '@', '`' or '%' needs quotes"),
    ],
)
def test_hints(text: str, help: str) -> None:
    """The usual slips are answered with what to write instead."""
    _, problems = read(Source("f.yaml", text))
    assert {problem.help for problem in problems} == {help}


def test_all_at_once() -> None:
    """One reading tells everything that is wrong, and guesses what was meant."""
    documents, problems = read(Source("f.yaml", "a: yes\nb: 007\nc: !x 1\na: 2\n"))
    assert len(problems) == 4
    assert documents[0].data == {"a": True, "b": "007", "c": "1"}


def test_places() -> None:
    """Every value has its line and column, and every key its own."""
    document = one("a:\n  b: [x, {c: 1}]\nd: |\n  text\n")
    shown = {
        path: (
            place.key and (place.key.line, place.key.column),
            place.value.line,
            place.value.column,
        )
        for path, place in document.places.items()
    }
    assert shown == {
        (): (None, 1, 1),
        ("a",): ((1, 1), 2, 3),
        ("a", "b"): ((2, 3), 2, 6),
        ("a", "b", 0): (None, 2, 7),
        ("a", "b", 1): (None, 2, 10),
        ("a", "b", 1, "c"): ((2, 11), 2, 14),
        ("d",): ((3, 1), 3, 4),
    }


def test_several_documents() -> None:
    """Every document of a file is read; after a broken one the earlier ones are there."""
    documents, problems = read(Source("f.yaml", "a: 1\n---\nb: 2\n---\nc: [\n"))
    assert [document.data for document in documents] == [{"a": 1}, {"b": 2}]
    assert len(problems) == 1


def test_line_ends_and_byte_order_mark() -> None:
    """Files of other editors are read alike."""
    source = decoded("f.yaml", b"\xef\xbb\xbfa: 1\r\nb: yes\r\n")
    _, problems = read(source)
    assert [str(problem.position) for problem in problems] == ["f.yaml:2"]
    assert problems[0].source == "b: yes"


def test_bytes_that_are_no_text() -> None:
    """A file that is not UTF-8 is refused at the first such byte."""
    with pytest.raises(DefinitionError, match="not UTF-8 text") as caught:
        decoded("f.yaml", b"a: 1\nb: \xff\n")
    position = caught.value.problems[0].position
    assert position is not None
    assert (position.line, position.column) == (2, 4)


def test_too_large() -> None:
    """A file above 1 MB is refused without being looked at."""
    with pytest.raises(DefinitionError, match="larger than 1 MB"):
        decoded("f.yaml", b"a" * (LARGEST + 1))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{" * 100_000,
        "? " * 100_000,
        "- " * 100_000,
        "a: &x [1]\n" + "b: [*x, *x]\n" * 10_000,
        "a: yes\n" * 20_000,
    ],
)
def test_hostile_files(text: str) -> None:
    """Depth, aliases and floods end in few problems, not in a crash."""
    _, problems = read(Source("f.yaml", text))
    assert 0 < len(problems) <= 100


@given(st.text(max_size=60) | st.text(alphabet="ab: -[]{}?,&*!#|>'\"%@`$\n\t0~<", max_size=60))
@example("a: ${{")
@example("? *a\n: &b *c")
@example("\ud800")
@example("%YAML 9.9\n---\na")
@example("%TAG ! x\n--- !a b")
@example("--- |\n...\n---")
@example("\ufeff\ufeffa: 1")
def test_any_text(text: str) -> None:
    """No text makes the reader raise, and every problem can be shown with its caret."""
    _, problems = read(Source("f.yaml", text))
    for problem in problems:
        assert "-->" in rendered(problem)


@given(st.binary(max_size=60))
def test_any_bytes(raw: bytes) -> None:
    """No bytes make the reader raise anything but DefinitionError."""
    try:
        source = decoded("f.yaml", raw)
    except DefinitionError as error:
        source = Source("f.yaml", str(error))
    read(source)
