"""Are references parsed, found and resolved as the design says?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.references import (
    ReferenceProblem,
    has_references,
    parse_text,
    references_in,
    resolve,
    resolve_spec,
)
from orchestrator.model.codec import decode_value, encode
from orchestrator.model.definitions import AnsibleSpec, CommandSpec
from orchestrator.model.positions import Position
from orchestrator.model.values import Reference, Secret, Text, Tree

AT = Position(file="orchestrator.yaml", line=3, column=10)


def ref(path: str) -> Reference:
    return Reference(path=tuple(path.split(".")))


def answers(**values: Tree) -> Callable[[Reference], Tree]:
    return lambda reference: values[reference.path[-1]]


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{{ ansible_host }}", "{{ ansible_host }}"),
        ("$HOME ${x} $${y}", "$HOME ${x} $${y}"),
        ("${{ vars.x }}", ref("vars.x")),
        ("${{vars.x}}", ref("vars.x")),
        ("${{ stages.web-1.outputs.my_url }}", ref("stages.web-1.outputs.my_url")),
        ("${{ a.b }}/healthz", Text(parts=(ref("a.b"), "/healthz"))),
        ("x-${{ a.b }}${{ c.d }}", Text(parts=("x-", ref("a.b"), ref("c.d")))),
        (" ${{ a.b }}", Text(parts=(" ", ref("a.b")))),
        ("$${{ a.b }}", "${{ a.b }}"),
        ("$${{ a | b }} ${{ c.d }}", Text(parts=("${{ a | b }} ", ref("c.d")))),
        (
            "${{ a.b }} {{ inventory_hostname }}",
            Text(parts=(ref("a.b"), " {{ inventory_hostname }}")),
        ),
    ],
)
def test_parse_text(text: str, parsed: Tree) -> None:
    """A text is itself, the one reference that it is, or its parts in order."""
    assert parse_text(text) == parsed


@pytest.mark.parametrize(
    ("text", "offset", "length", "message", "help"),
    [
        ("${{ x | default }}", 0, 18, "'x | default' is no reference", "defaults are given where"),
        ("a ${{ x | upper }}", 2, 16, "'x | upper' is no reference", "no filters or functions"),
        ("${{ f(x) }}", 0, 11, "'f(x)' is no reference", "no filters or functions"),
        ("${{ x.y[0] }}", 0, 13, "'x.y[0]' is no reference", "takes a whole output"),
        ("${{ a.b + 1 }}", 0, 14, "'a.b + 1' is no reference", "no expressions"),
        ("${{ a..b }}", 0, 11, "'a..b' is no reference", "such as 'vars.region'"),
        ("${{ .a }}", 0, 9, "'.a' is no reference", "such as 'vars.region'"),
        ("${{ }}", 0, 6, "reference is empty", "name what it stands for"),
        ("${{}}", 0, 5, "reference is empty", "name what it stands for"),
        ("ab ${{ vars.x", 3, 10, "reference is not closed", "write '${{ vars.x }}'"),
        ("${{ vars.x }", 0, 12, "reference is not closed", "write '${{ vars.x }}'"),
        ("${{ vars.x ${{ y.z }}", 0, 10, "reference is not closed", "write '${{ vars.x }}'"),
    ],
)
def test_malformed(text: str, offset: int, length: int, message: str, help: str) -> None:
    """A malformed reference is refused with its place, what is wrong, and what would be right."""
    with pytest.raises(ReferenceProblem) as caught:
        parse_text(text)
    assert (caught.value.offset, caught.value.length) == (offset, length)
    assert message in caught.value.message
    assert help in caught.value.help


def test_positions() -> None:
    """A reference knows where its path begins, as far as its line goes."""
    text = parse_text("a ${{ b.c }}\n${{ d.e }}", AT)
    assert [r.position for r in references_in(text)] == [
        Position(file="orchestrator.yaml", line=3, column=16),
        AT,
    ]


def test_references_in_order() -> None:
    """References are found at any depth, in order, repeats included, and never inside secrets."""
    tree: Tree = {
        "a": [ref("a.b"), {"c": parse_text("x ${{ c.d }} ${{ a.b }}")}],
        "z": Secret("${{ not.one }}"),
    }
    assert [str(r) for r in references_in(tree)] == ["a.b", "c.d", "a.b"]
    assert has_references(tree)
    assert not has_references({"a": ["x", 1, None, Secret("y")]})


def test_references_of_a_spec() -> None:
    """A stage's spec is searched field by field."""
    spec = AnsibleSpec(playbook="p.yml", inventory=(ref("a.b"),), vars={"x": ref("c.d")})
    assert [str(r) for r in references_in(spec)] == ["a.b", "c.d"]


@pytest.mark.parametrize("value", [3, 2.5, True, None, "x", ["a"], {"a": {"b": 1}}, Secret([1])])
def test_whole_value_keeps_its_type(value: Tree) -> None:
    """A value that is one reference becomes what the reference stands for, type and all."""
    assert resolve({"k": [ref("vars.x")]}, lambda _: value) == {"k": [value]}


def test_inside_text() -> None:
    """Text around a string becomes one string; empty strings count as strings."""
    text = parse_text("http://${{ a.host }}:${{ a.port }}/")
    assert resolve(text, answers(host="h", port="80")) == "http://h:80/"
    assert resolve(text, answers(host="", port="")) == "http://:/"


@pytest.mark.parametrize("value", [2.5, True, None, ["a"], {"a": 1}, Secret(2.5)])
def test_only_strings_inside_text(value: Tree) -> None:
    """Inside text a value that is no string is refused by the reference's name."""
    with pytest.raises(ValueError, match=r"'vars.x' is a \w+; inside text a reference must be"):
        resolve(parse_text("n=${{ vars.x }}"), lambda _: value)


def test_a_whole_number_inside_text_is_its_digits() -> None:
    """A port stands in a URL, and a secret number makes the text a secret."""
    text = parse_text("http://h:${{ a.port }}/")
    assert resolve(text, answers(port=8080)) == "http://h:8080/"
    assert resolve(text, answers(port=Secret(8080))) == Secret("http://h:8080/")


def test_secret_inside_text() -> None:
    """A secret inside text makes the whole text a secret."""
    text = parse_text("postgres://u:${{ secrets.pw }}@${{ vars.host }}")
    assert resolve(text, answers(pw=Secret("s3"), host="db")) == Secret("postgres://u:s3@db")


def test_a_reference_may_be_left_standing() -> None:
    """What the lookup leaves is resolved by a second one, and a secret found first is not lost."""
    text = parse_text("${{ vars.user }}:${{ secrets.pw }}@${{ stages.s.outputs.host }}")

    def first(reference: Reference) -> Tree:
        return (
            reference
            if reference.path[0] == "secrets"
            else answers(user="u", host=Secret("h"))(reference)
        )

    left = resolve(text, first)
    assert left == Text(parts=("u", ":", ref("secrets.pw"), "@", Secret("h")))
    assert resolve(left, answers(pw=Secret("s3"))) == Secret("u:s3@h")
    assert resolve(ref("secrets.pw"), lambda r: r) == ref("secrets.pw")


def test_text_left_alone_stays_text() -> None:
    """A text whose other parts became empty still takes only strings later."""
    left = resolve(
        parse_text("${{ vars.a }}${{ secrets.b }}"), lambda r: "" if r.path[1] == "a" else r
    )
    with pytest.raises(ReferenceProblem):
        resolve(left, lambda _: 2.5)


def test_a_lookup_may_answer_with_text() -> None:
    """An environment's variable that is itself text with a reference is spliced in."""
    inner = parse_text("app-${{ env.name }}")
    assert resolve(parse_text("x/${{ vars.a }}"), lambda _: inner) == Text(
        parts=("x/", "app-", ref("env.name"))
    )


def test_resolve_spec() -> None:
    """A spec comes back of the same kind, tuples still tuples; one without references is itself."""
    spec = CommandSpec(run=("make", ref("vars.x")), env={"A": parse_text("b${{ vars.y }}")})
    assert resolve_spec(spec, answers(x="all", y="c")) == CommandSpec(
        run=("make", "all"), env={"A": "bc"}
    )
    plain = CommandSpec(run=("make",))
    assert resolve_spec(plain, answers()) is plain


@given(st.text(alphabet="$ {}a.|-\n", max_size=40))
def test_any_text(text: str) -> None:
    """Any text is parsed or refused with a place inside it, and nothing else."""
    try:
        parsed = parse_text(text, AT)
    except ReferenceProblem as problem:
        marked = text[problem.offset : problem.offset + problem.length]
        parsed = "" if len(marked) == problem.length > 0 else "misplaced"
    assert not isinstance(parsed, str) or "${{" not in text or "$${{" in text or parsed == ""


def test_a_waiting_secret_is_sealed_in_json() -> None:
    """A secret beside a reference that still waits goes into JSON sealed, and comes back."""
    text = Text(parts=("u:", Secret("s3"), "@", ref("secrets.pw")))
    written = encode(text, lambda value: f"sealed {value}")
    assert "Secret" not in str(written)
    read: object = decode_value(written, lambda sealed: sealed.removeprefix("sealed "))
    assert read == text
    with pytest.raises(ValueError, match="cannot be written in clear"):
        encode(text)
