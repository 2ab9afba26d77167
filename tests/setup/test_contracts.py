"""Are the import contracts complete, and do core and model stay on the standard library?"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent.parent
PACKAGE = CHECKOUT / "orchestrator"


def _contracts() -> list[dict[str, object]]:
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    assert isinstance(contracts, list)
    return contracts


def _rooms() -> set[str]:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    files = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    return folders | files


def _named(contract: dict[str, object], field: str) -> set[str]:
    names = contract.get(field, [])
    assert isinstance(names, list)
    return {str(name).removeprefix("orchestrator.") for name in names}


def test_every_room_has_a_contract_about_foreign_tools() -> None:
    """A new room without a word on which foreign tools it may know is an error."""
    spoken_of = {room for contract in _contracts() for room in _named(contract, "source_modules")}
    assert _rooms() <= spoken_of


def test_light_hosts_are_told_of_every_room() -> None:
    """The contract that keeps the light hosts apart names every other room."""
    apart = next(c for c in _contracts() if c["name"] == "Light hosts import nothing of ours")
    assert _rooms() - {"lighthosts"} <= _named(apart, "forbidden_modules")


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("room", ["core", "model"])
def test_core_and_model_stand_on_the_standard_library(room: str) -> None:
    """No third party is imported by core and model."""
    found = {name for path in (PACKAGE / room).rglob("*.py") for name in _imported(path)}
    assert found <= sys.stdlib_module_names | {"orchestrator"}
