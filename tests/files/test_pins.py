"""Which versions are exact, and which are not."""

from __future__ import annotations

import pytest

from orchestrator.files.pins import files_with_pins, unpinned


def said(path: str, text: str) -> list[str]:
    return list(unpinned({"s/Pulumi.yaml": b"name: s", path: text.encode()}))


GOOD = [
    ("s/Pulumi.yaml", "name: s\nruntime: python\n"),
    ("s/Pulumi.yaml", "plugins: {providers: [{name: lighthost, path: ../../bin}]}"),
    ("s/Pulumi.yaml", "plugins: {providers: [{name: random, version: 4.16.0}], languages: []}"),
    ("s/Pulumi.yaml", "packages: {a: random@4.16.0, b: ./local, c: {source: x, version: 1.0}}"),
    ("s/requirements.txt", "pulumi==3.259.0\n# a comment\n\n-r more.txt\n./local\n"),
    ("s/requirements.txt", "a[x,y] == 1.0 ; python_version < '3.12'\nb===1.0 # why\n"),
    ("s/requirements.txt", "a==1.0 \\\n  --hash=sha256:00\n-e .\n"),
    ("s/requirements.txt", "a @ git+https://x.example/a.git@v1\nb @ file:../b\n"),
    ("elsewhere/requirements.txt", "anything\n"),
    ("requirements.yml", "collections: [{name: a.b, version: 1.2.3}, 'c.d:1.0.0']"),
    ("requirements.yml", "[{src: geerlingguy.x, version: 1.0}, 'a.b,1.0', {include: other.yml}]"),
    ("requirements.yml", "roles: []\ncollections: [{name: ./here, type: dir}]"),
    ("requirements.yml", ""),
]

BAD = [
    ("s/Pulumi.yaml", "plugins: {providers: [{name: random}]}", "'random' has no version"),
    ("s/Pulumi.yaml", "plugins: {languages: [{name: x, version: '>=1'}]}", "'x' has no version"),
    ("s/Pulumi.yaml", "packages: {a: random}", "'a' has no version"),
    ("s/Pulumi.yaml", "{", "cannot be read"),
    ("s/requirements.txt", "pulumi>=3,<4", "`pulumi==1.2.3`"),
    ("s/requirements.txt", "pulumi", "`pulumi==1.2.3`"),
    ("s/requirements.txt", "pulumi==3.*", "not exact"),
    ("s/requirements.txt", "pulumi; python_version == '3.11'", "not exact"),
    ("s/requirements.txt", "a @ git+ssh://git@x.example/a.git", "not exact"),
    ("r/requirements.yml", "collections: [a.b]", "collection 'a.b' has no exact version"),
    ("r/requirements.yml", "collections: [{name: a.b, version: '>=1.0'}]", "no exact version"),
    ("r/requirements.yml", "roles: [{src: a.b}]", "role 'a.b' has no exact version"),
    ("r/requirements.yaml", "[a.b]", "role 'a.b' has no exact version"),
]


@pytest.mark.parametrize(("path", "text"), GOOD)
def test_exact(path: str, text: str) -> None:
    """Exact versions and the project's own paths are no problem."""
    assert said(path, text) == []


@pytest.mark.parametrize(("path", "text", "says"), BAD)
def test_not_exact(path: str, text: str, says: str) -> None:
    """Everything else is named with its file and what would be right."""
    (problem,) = said(path, text)
    assert problem.startswith(f"{path}: ")
    assert says in problem


def test_which_files_are_looked_at() -> None:
    """requirements.txt counts beside a Pulumi.yaml only."""
    paths = [
        "a/Pulumi.yaml",
        "a/requirements.txt",
        "app/requirements.txt",
        "roles/requirements.yml",
    ]
    assert files_with_pins(paths) == (paths[0], paths[1], paths[3])
