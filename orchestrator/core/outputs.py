"""Did the outputs come that a stage declares, and are they what it says?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from orchestrator.model.types import TypeName, ValueType, mismatch
from orchestrator.model.values import Secret, Value


def output_problems(
    stage: str, declared: Mapping[str, ValueType], given: Mapping[str, Value], *, where: str
) -> tuple[str, ...]:
    """A sentence for each declared output that did not come or does not fit; empty if all is well.

    where: "orchestrator.yaml:27", where the stage stands.
    """
    return tuple(_problems(stage, declared, given, f" (declared in {where})" if where else ""))


def typed_outputs(
    declared: Mapping[str, ValueType], given: Mapping[str, Value]
) -> dict[str, Value]:
    """The declared outputs only, in declared order; those of a secret type wrapped as Secret."""
    return {name: _wrapped(given[name], type_) for name, type_ in declared.items() if name in given}


def _problems(
    stage: str, declared: Mapping[str, ValueType], given: Mapping[str, Value], where: str
) -> Iterator[str]:
    for name, type_ in declared.items():
        if name not in given:
            yield _missing(stage, name, given, where)
        elif reason := mismatch(given[name], type_):
            told = f"is no {type_}" if type_.is_secret else reason  # a reason shows the value
            yield f"output '{name}' of stage {stage}{where} {told}"


def _missing(stage: str, name: str, given: Mapping[str, Value], where: str) -> str:
    exported = ", ".join(sorted(given)) or "nothing"
    close = get_close_matches(name, list(given), n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f'stage {stage} did not export "{name}"{where}. It exported: {exported}.{hint}'


def _wrapped(value: Value, type_: ValueType) -> Value:
    if type_.name is TypeName.SECRET and not isinstance(value, Secret):
        return Secret(value)
    return value
