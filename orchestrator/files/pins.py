"""Is everything that a release would fetch later named with an exact version?

Read here: `plugins:` and `packages:` of each Pulumi.yaml, requirements.txt beside one, and Galaxy's
requirements.yml anywhere. What is a path of the project's own needs no version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

_GALAXY = ("requirements.yml", "requirements.yaml")
_PULUMI = ("Pulumi.yaml", "Pulumi.yml")
_PYTHON = "requirements.txt"
_NAMES = {*_GALAXY, *_PULUMI, _PYTHON}
_EXACT = re.compile(r"^[A-Za-z0-9._-]+(\[[^\]]*\])?\s*===?\s*[^\s*,;]+$")
_LOCAL = ("path", "file", "dir", "subdirs")
_LARGEST = 1024 * 1024  # bytes; nobody writes such a file by hand


def files_with_pins(paths: Iterable[str]) -> tuple[str, ...]:
    """Those of a release's paths that `unpinned` wants to see."""
    named = {path for path in paths if path.rpartition("/")[2] in _NAMES}
    return tuple(path for path in sorted(named) if _reader(path, named) is not None)


def unpinned(contents: Mapping[str, bytes]) -> Iterator[str]:
    """One sentence per thing without an exact version. contents: of `files_with_pins`."""
    for path, content in contents.items():
        reader = _reader(path, contents)
        if reader is None:
            continue
        try:
            yield from (f"{path}: {problem}" for problem in reader(content))
        except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
            yield f"{path}: cannot be read: {_first_line(error)}"


def _reader(path: str, paths: Iterable[str]) -> Any:
    name = PurePosixPath(path).name
    if name in _PULUMI:
        return _of_pulumi
    if name in _GALAXY:
        return _of_galaxy
    if name == _PYTHON:
        beside = (str(PurePosixPath(path).with_name(pulumi)) for pulumi in _PULUMI)
        return _of_python if any(other in paths for other in beside) else None
    return None


def _of_pulumi(content: bytes) -> Iterator[str]:
    body = _mapping(_yaml(content))
    for kind, listed in _mapping(body.get("plugins")).items():
        for plugin in map(_mapping, _list(listed)):
            if not plugin.get("path") and not _exact(plugin.get("version")):
                name = plugin.get("name", "?")
                yield f"plugins.{kind}: '{name}' has no version; right would be `version: 1.2.3`"
    for name, package in _mapping(body.get("packages")).items():
        if not _package_pinned(package):
            yield f"packages: '{name}' has no version; right would be `{name}: source@1.2.3`"


def _package_pinned(package: Any) -> bool:
    if isinstance(package, str):
        source, _, version = package.rpartition("@")
        return package.startswith((".", "/")) or (bool(source) and _exact(version))
    spec = _mapping(package)
    source = str(spec.get("source", ""))
    return source.startswith((".", "/")) or _exact(spec.get("version")) or "@" in source


def _of_python(content: bytes) -> Iterator[str]:
    text = re.sub(r"\\\r?\n", " ", content.decode())
    for line in text.splitlines():
        wanted = re.split(r"(?:^|\s)#|\s--", line, maxsplit=1)[0].strip()
        requirement = wanted.split(";")[0].strip()
        if not requirement or requirement.startswith(("-", ".", "/")):
            continue  # options; further files and folders of the project's own
        if _EXACT.match(requirement) or _pinned_address(requirement):
            continue
        name = re.split(r"[\s<>=!~@\[(]", requirement)[0]
        yield f"'{requirement}' is not exact; right would be `{name}==1.2.3`"


def _pinned_address(requirement: str) -> bool:
    """`name @ file:…`, an archive whose address names it, or git at a commit or tag."""
    _, at, address = requirement.partition("@")
    if not at:
        return False
    address = address.strip()
    if address.startswith("git+"):
        return re.search(r"@[^@/]+(#|$)", address.removeprefix("git+")) is not None
    return address.startswith(("file:", "http:", "https:"))


def _of_galaxy(content: bytes) -> Iterator[str]:
    body = _yaml(content)
    roles = body if isinstance(body, list) else _list(_mapping(body).get("roles"))
    for role in roles:
        if isinstance(role, Mapping) and "include" in role:
            continue
        yield from _unpinned_galaxy("role", role, separator=",")
    for collection in _list(_mapping(body).get("collections")):
        yield from _unpinned_galaxy("collection", collection, separator=":")


def _unpinned_galaxy(kind: str, item: Any, *, separator: str) -> Iterator[str]:
    version: Any
    if isinstance(item, str):
        name, _, version = item.partition(separator)
        local = item.startswith((".", "/"))
    else:
        spec = _mapping(item)
        name = str(spec.get("name") or spec.get("src") or spec.get("role") or "?")
        version = spec.get("version")
        source = str(spec.get("source") or spec.get("src") or name)
        local = spec.get("type") in _LOCAL or source.startswith((".", "/", "file:"))
    if not local and not _exact(version):
        yield f"{kind} '{name}' has no exact version; right would be `version: 1.2.3`"


def _exact(version: Any) -> bool:
    text = str(version if version is not None else "").strip()
    return bool(text) and not re.search(r"[<>*~^,!\s]", text) and text != "latest"


def _yaml(content: bytes) -> Any:
    if len(content) > _LARGEST:
        raise ValueError("is larger than 1 MiB")
    return yaml.safe_load(content)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
