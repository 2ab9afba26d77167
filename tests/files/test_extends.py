"""Do environments share parts key by key, and nothing from outside the project?"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.files.definitions import load_project, validate
from orchestrator.model.definitions import Environment
from tests.files.projects import told, write

PROJECT = (
    "apiVersion: orchestrator/v1\nkind: Project\nid: p\n---\n"
    "apiVersion: orchestrator/v1\nkind: Pipeline\nname: p\n"
    "vars: { a: { type: int, default: 0 }, b: { type: int, default: 0 },"
    " m: { type: object, default: {} } }\n"
    'stages: { s: { command: ["true"] } }\n'
)
HEADER = "apiVersion: orchestrator/v1\nkind: Environment\nname: dev\n"
FILE = "inventories/dev/environment.yaml"


def project(root: Path, body: str, **shared: str) -> Path:
    files = {f"inventories/{name}.yaml": text for name, text in shared.items()}
    return write(root, {"orchestrator.yaml": PROJECT, FILE: HEADER + body, **files})


def dev(root: Path) -> Environment:
    return load_project(root).environments["dev"]


def test_key_by_key(tmp_path: Path) -> None:
    """Maps are joined key by key; the environment wins over the last, the last over the first."""
    root = project(
        tmp_path,
        "extends: [one.yaml, two.yaml]\nvars: { a: 1 }\n",
        one="vars: { a: 7, b: 7 }\nsecrets: { x: 'env://ONE', y: 'env://ONE' }\nstate: builtin\n",
        two="vars: { b: 8 }\nsecrets: { x: 'env://TWO' }\n",
    )
    found = dev(root)
    assert found.vars == {"a": 1, "b": 8}
    assert found.secrets == {"x": "env://TWO", "y": "env://ONE"}
    assert found.state is not None
    assert found.files == (FILE, "inventories/one.yaml", "inventories/two.yaml")
    assert str(found.positions["vars.b"]) == "inventories/two.yaml:1"
    assert str(found.positions["secrets.y"]) == "inventories/one.yaml:2"


def test_a_value_is_taken_whole(tmp_path: Path) -> None:
    """The value of one variable, and a list, come from one file."""
    root = project(
        tmp_path,
        "extends: [one.yaml]\nvars: { m: { y: 2 } }\ncredentials: { pulumi: [B] }\n",
        one="vars: { m: { x: 1 } }\ncredentials: { pulumi: [A], ansible: [A] }\n",
    )
    found = dev(root)
    assert found.vars == {"m": {"y": 2}}
    assert (found.credentials.pulumi, found.credentials.ansible) == (("B",), ("A",))
    assert "vars.m.x" not in found.positions


def test_nested(tmp_path: Path) -> None:
    """A shared part may extend another; beside the naming file comes before inventories/."""
    root = project(
        tmp_path,
        "extends: [one.yaml]\n",
        one="extends: [two.yaml]\nvars: { a: 1 }\n",
        two="vars: { b: 2 }\n",
    )
    write(root, {"inventories/dev/one.yaml": "extends: [two.yaml]\nvars: { a: 9 }\n"})
    found = dev(root)
    assert found.vars == {"a": 9, "b": 2}
    assert found.files == (FILE, "inventories/dev/one.yaml", "inventories/two.yaml")


def test_header_of_a_shared_part(tmp_path: Path) -> None:
    """A shared part may carry apiVersion and kind, for editors, and no name."""
    root = project(
        tmp_path,
        "extends: [one.yaml]\n",
        one="apiVersion: orchestrator/v1\nkind: Environment\nvars: { a: 1 }\n",
    )
    assert dev(root).vars == {"a": 1}
    write(root, {"inventories/one.yaml": "name: x\nvars: { a: 1 }\n"})
    assert [line.split(" | ")[0] for line in told(validate(root))] == [
        "1:1 unknown key 'name' in inventories/one.yaml"
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("../../../etc/passwd", "'../../../etc/passwd' is outside the project"),
        ("/etc/passwd", "'/etc/passwd' is outside the project"),
        ("link.yaml", "'link.yaml' is outside the project"),
        (
            "on.yaml",
            "'on.yaml' does not exist; looked for inventories/dev/on.yaml and inventories/on.yaml",
        ),
        (
            "circle.yaml",
            "'circle.yaml' extends itself: inventories/circle.yaml -> inventories/circle.yaml",
        ),
    ],
)
def test_refused(tmp_path: Path, entry: str, message: str) -> None:
    """What is missing, extends itself or leaves the project is refused at the entry."""
    (tmp_path / "outside.yaml").write_text("vars: { a: 1 }\n")
    root = project(
        tmp_path / "p",
        f"extends: [{entry}]\n",
        one="vars: { a: 1 }\n",
        circle="extends: [circle.yaml]\n",
    )
    for folder in ("inventories", "inventories/dev"):
        (root / folder / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    (problem,) = validate(root)
    assert problem.message == message
    assert problem.position is not None


def test_problems_of_a_shared_part_are_told_once(tmp_path: Path) -> None:
    """A mistake in a shared part is one problem, however many environments extend it."""
    root = project(tmp_path, "extends: [one.yaml]\n", one="vars: { a: x }\nsecrts: {}\n")
    other = HEADER.replace("dev", "qa") + "extends: [one.yaml]\n"
    write(root, {"inventories/qa/environment.yaml": other})
    assert [line.split(" | ")[0] for line in told(validate(root))] == [
        "1:12 'a' must be an int, not text 'x'",
        "2:1 unknown key 'secrts' in inventories/one.yaml",
    ]


@pytest.mark.parametrize("text", ["", "5", "[a]", "a: 1\n---\nb: 2\n", "a: [\n"])
def test_odd_shared_parts(tmp_path: Path, text: str) -> None:
    """A shared part that is no map is a problem, or nothing where it is empty."""
    root = project(tmp_path, "extends: [one.yaml]\n", one=text)
    problems = validate(root)
    assert len(problems) == (1 if text else 0)
