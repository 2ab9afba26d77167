"""May what a stage or an environment refers to stand where it stands?

Types are known before anything runs: text takes text, an inventory an inventory; a secret goes
only where nothing shows it (design 1: refused in names, URLs, messages, command lines).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.references import references_in
from orchestrator.core.scope import SECRET, Scope, Undeclared
from orchestrator.model.definitions import (
    AnsibleSpec,
    ApprovalSpec,
    CheckSpec,
    CommandSpec,
    PulumiSpec,
    StageSpec,
)
from orchestrator.model.types import STRING, TypeName, ValueType, fits
from orchestrator.model.values import Reference, Text, Tree

_DECLARE_SECRET = "name it under 'secrets:' of the environment and write ${{ secrets.NAME }}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Misuse:
    """Something that cannot stand where it does; path: the keys below the stage's kind."""

    message: str
    help: str = ""
    path: tuple[str | int, ...] = ()
    reference: Reference | None = None  # None: a literal is meant, see path
    undeclared: bool = False


Rule = Callable[[ValueType], tuple[str, str]]
"""What is wrong with a type in a place, and what would help; two empty strings where nothing is."""
Place = tuple[tuple[str | int, ...], Tree, Rule]


def misuses(spec: StageSpec, scope: Scope) -> Iterator[Misuse]:
    """Everything a stage's spec refers to wrongly, in order."""
    for path, tree, rule in _places(spec):
        yield from _misuses_in(tree, path, rule, scope)
    if isinstance(spec, AnsibleSpec):
        yield from _literal_secrets(spec)


def misuses_of_value(value: Tree, wanted: ValueType, scope: Scope) -> Iterator[Misuse]:
    """Everything that the value of a variable refers to wrongly."""
    for reference in references_in(value):
        if reference.path[0] not in ("env", "secrets", "release"):
            yield Misuse(
                message=f"a variable cannot refer to '{reference}'",
                help="only to env.name, secrets.NAME and release.*",
                reference=reference,
            )
            return
    yield from _misuses_in(value, (), lambda given: _fitting(given, wanted), scope)


def _misuses_in(
    tree: Tree, path: tuple[str | int, ...], rule: Rule, scope: Scope
) -> Iterator[Misuse]:
    if isinstance(tree, Reference):
        yield from _misuse(tree, path, rule, scope)
    elif isinstance(tree, Text):
        for part in tree.parts:
            if isinstance(part, Reference):
                yield from _misuse(part, path, _both(_inside_text, _written(rule)), scope)
    elif isinstance(tree, Mapping):
        for key, item in tree.items():
            yield from _misuses_in(item, (*path, key), _anything, scope)
    elif isinstance(tree, Sequence) and not isinstance(tree, str):
        for index, item in enumerate(tree):
            yield from _misuses_in(item, (*path, index), _anything, scope)


def _misuse(
    reference: Reference, path: tuple[str | int, ...], rule: Rule, scope: Scope
) -> Iterator[Misuse]:
    try:
        message, help = rule(scope.type_of(reference))
    except Undeclared as error:
        yield Misuse(
            message=error.message, help=error.help, path=path, reference=reference, undeclared=True
        )
        return
    if message:
        yield Misuse(message=f"'{reference}' {message}", help=help, path=path, reference=reference)


def _places(spec: StageSpec) -> Iterator[Place]:
    """Each value of a spec that may hold references, and the rule of its place."""
    match spec:
        case PulumiSpec():
            yield ("stack",), spec.stack, _shown_text("a stack's name")
            yield from _each("config", spec.config, _anything)
        case AnsibleSpec():
            for index, entry in enumerate(spec.inventory):
                yield ("inventory", index), entry, _inventory
            yield from _each("vars", spec.vars, _anything)
            yield ("limit",), spec.limit, _shown_text("a limit")
            yield from _each("vault", spec.vault, _secret)
            yield ("ssh_key",), spec.ssh_key, _secret
        case CommandSpec():
            for index, word in enumerate(spec.run):
                yield ("run", index), word, _word
            yield from _each("env", spec.env, _anything)
        case CheckSpec():
            yield ("url",), spec.url, _shown_text("a URL")
            yield ("contains",), spec.contains, _shown_text("a text that is looked for")
            yield from _each("headers", spec.headers, _text)
        case ApprovalSpec():
            yield ("message",), spec.message, _shown_text("a message")


def _each(name: str, trees: Mapping[str, Tree], rule: Rule) -> Iterator[Place]:
    for key, tree in trees.items():
        yield (name, key), tree, rule


def _literal_secrets(spec: AnsibleSpec) -> Iterator[Misuse]:
    places: list[tuple[tuple[str | int, ...], Tree]] = [
        *((("vault", name), tree) for name, tree in spec.vault.items()),
        (("ssh_key",), spec.ssh_key),
    ]
    for path, tree in places:
        if isinstance(tree, str) and tree:
            yield Misuse(message="a secret stands here in clear", help=_DECLARE_SECRET, path=path)


def _anything(_: ValueType) -> tuple[str, str]:
    return "", ""


def _both(first: Rule, second: Rule) -> Rule:
    """The first complaint of two rules; secrecy is judged even where the type is right."""
    return lambda given: first(given) if first(given)[0] else second(given)


def _written(rule: Rule) -> Rule:
    """The rule for what stands inside text: a whole number is its digits there."""

    def judged(given: ValueType) -> tuple[str, str]:
        if _bare(given).name is not TypeName.INT:
            return rule(given)
        return rule(SECRET if given.is_secret else STRING)

    return judged


def _inside_text(given: ValueType) -> tuple[str, str]:
    if _bare(given).is_text or _bare(given).name is TypeName.INT:
        return "", ""
    message = f"is {_article(given)}; inside text a reference must be a string or an int"
    return message, "make the whole value the reference, or declare it as string"


def _text(given: ValueType) -> tuple[str, str]:
    if fits(given, SECRET):
        return "", ""
    return f"is {_article(given)}, but text is wanted here", "declare it as string"


def _word(given: ValueType) -> tuple[str, str]:
    """Any value becomes a word of a command (steps.texts); a secret is for its environment."""
    if given.is_secret:
        message = "is a secret, and everybody on a machine can read its command lines"
        return message, "hand it over in the command's env"
    return "", ""


def _shown_text(what: str) -> Rule:
    def rule(given: ValueType) -> tuple[str, str]:
        if given.is_secret:
            return f"is a secret, which {what} would show", "use a value that may be seen"
        return _text(given)

    return rule


def _secret(given: ValueType) -> tuple[str, str]:
    if not fits(given, SECRET):
        return f"is {_article(given)}, but a secret text is wanted here", _DECLARE_SECRET
    if not given.is_secret:
        return "is no secret, but one is wanted here", "declare it as secret(string)"
    return "", ""


def _inventory(given: ValueType) -> tuple[str, str]:
    if given.is_secret:
        return "is a secret, which an inventory would show", "declare the output as inventory"
    if given.name is TypeName.INVENTORY or fits(given, STRING):
        return "", ""
    return f"is {_article(given)}, but an inventory or a path is wanted here", ""


def _fitting(given: ValueType, wanted: ValueType) -> tuple[str, str]:
    if given.is_secret and not wanted.is_secret:
        return (
            f"is a secret, but the variable is {_article(wanted)}",
            f"declare it secret({wanted})",
        )
    if fits(given, wanted) or (_bare(given).is_text and _bare(wanted).is_text):
        return "", ""
    return f"is {_article(given)}, but the variable is {_article(wanted)}", ""


def _bare(given: ValueType) -> ValueType:
    return given.of if given.name is TypeName.SECRET and given.of else given


def _article(given: ValueType) -> str:
    return f"{'an' if str(given)[0] in 'aeiou' else 'a'} {given}"
