"""Which program is it, and which interpreter does it want? Reads Pulumi.yaml and a stack's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from orchestrator.model.errors import DefinitionError, ToolError
from orchestrator.model.positions import Position, Problem

ReadYaml: TypeAlias = Callable[[Path], Any]
"""Plain JSON of a YAML file. Given by wiring: YAML is known in another room."""
NAMES = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A Pulumi project on disk. folder: where its Pulumi.yaml lies, absolute."""

    name: str
    folder: Path
    runtime: str
    options: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""  # its Pulumi.yaml, relative to the project root

    @property
    def is_python(self) -> bool:
        return self.runtime == "python"


def read_program(root: Path, project: str, read_yaml: ReadYaml) -> Program:
    """The program in folder `project` of the project root. Raises DefinitionError."""
    folder = root / project
    path = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if path is None:
        raise _problem(f"{project} holds no Pulumi project", f"{project}/Pulumi.yaml")
    file = path.relative_to(root).as_posix()
    body = read_yaml(path)
    name = body.get("name") if isinstance(body, Mapping) else None
    runtime = body.get("runtime") if isinstance(body, Mapping) else None
    if not isinstance(name, str) or not isinstance(runtime, str | Mapping):
        raise _problem("a Pulumi project needs a name and a runtime", file)
    options = runtime.get("options") or {} if isinstance(runtime, Mapping) else {}
    language = str(runtime.get("name", "")) if isinstance(runtime, Mapping) else runtime
    return Program(name=name, folder=folder, runtime=language, options=options, file=file)


def stack_settings(program: Program, stack: str, read_yaml: ReadYaml) -> Mapping[str, Any]:
    """The project's own `Pulumi.<stack>.yaml`, or nothing where there is none.

    Raises DefinitionError where it is no map.
    """
    for suffix in ("yaml", "yml", "json"):
        path = program.folder / f"Pulumi.{stack}.{suffix}"
        if path.is_file():
            body = read_yaml(path) or {}
            if not isinstance(body, Mapping) or not isinstance(body.get("config") or {}, Mapping):
                file = program.file.rpartition("/")[0] + f"/{path.name}"
                raise _problem("a stack's file must be a map with a map 'config'", file)
            return body
    return {}


def interpreter_of(program: Program, wanted: str, roots: tuple[Path, ...]) -> Path | None:
    """The Python a program asks for; None where it asks for none, and ours serves.

    wanted: the stage's `python:`, relative to the project root; above Pulumi.yaml's `virtualenv`,
    which is relative to the program. A folder is a virtualenv. Looked for under each of `roots`
    (the release's tree, then the checkout it came from, for virtualenvs are seldom in git).
    Raises ToolError naming every place that was looked at.
    """
    below = program.folder.relative_to(roots[0])
    option = str(program.options.get("virtualenv") or "")
    managed = program.options.get("toolchain") in ("uv", "poetry")
    text = wanted or option or (".venv" if managed else "")
    places = [root / text if wanted else root / below / text for root in roots]
    for place in places if text else ():
        path = place / "bin" / "python" if place.is_dir() else place
        if path.is_file():
            return path
    if not wanted and not option:
        return None
    looked = ", ".join(str(place) for place in dict.fromkeys(places))
    raise ToolError(
        f"{program.name} wants the Python interpreter '{text}', and there is none at {looked}.",
        holds="Nothing was changed.",
        next="Make the virtualenv there, or name another with the stage's 'python:'.",
    )


def _problem(message: str, file: str) -> DefinitionError:
    return DefinitionError(
        [Problem(message=message, position=Position(file=file, line=1, column=1))]
    )
