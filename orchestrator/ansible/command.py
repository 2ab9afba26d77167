"""What is Ansible called with, and what does it see of this machine?"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

from orchestrator.ansible.folders import Folders
from orchestrator.ansible.unsafe import as_data, write_private, written
from orchestrator.model.definitions import AnsibleSpec
from orchestrator.model.errors import DefinitionError, ToolError
from orchestrator.model.inventory import connection_names
from orchestrator.model.positions import Problem
from orchestrator.model.values import revealed
from orchestrator.model.work import Work
from orchestrator.procs import MARK

_LIMIT = re.compile(r"[A-Za-z0-9_!&~*.\[][A-Za-z0-9_.:,!&*?|^$()+~\[\]\-]*")  # no @file, no option
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:\-]*")
_FROM_OURS = ("HOME", "USER", "LOGNAME")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def binaries(work: Work, spec: AnsibleSpec) -> Path:
    """The folder of ansible-playbook: of the stage's own virtualenv, of ours, or from PATH.

    Raises ToolError where it is not there.
    """
    if spec.venv:
        # A virtualenv is in no release: git ignores it, and its paths are the checkout's.
        for root in (work.project, work.checkout):
            folder = root / spec.venv / "bin"
            if (folder / "ansible-playbook").is_file():
                return folder
        raise ToolError(
            f"stage '{work.stage}': virtualenv '{spec.venv}' has no bin/ansible-playbook.",
            holds="Nothing was started.",
            next=f"Make it: python3 -m venv {spec.venv} && "
            f"{spec.venv}/bin/pip install ansible-core",
        )
    ours = Path(sys.executable).parent
    if (ours / "ansible-playbook").is_file():
        return ours
    found = shutil.which("ansible-playbook")
    if not found:
        raise ToolError("ansible-playbook was not found.", next="Run: orchestrator doctor --fix")
    return Path(found).parent


def environment(work: Work, folders: Folders, config: Path, folder: Path) -> dict[str, str]:
    """Everything Ansible sees: PATH, the user, the stage's credentials, ours; nothing else.

    folder: of ansible-playbook; it comes first in PATH, so that local modules find its Python.
    """
    return {
        **{name: os.environ[name] for name in _FROM_OURS if name in os.environ},
        "HOME": str(Path.home()),
        **work.credentials,
        "PATH": ":".join([str(folder), *_our_path()]),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(folders.temporary),
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # plugins lie in the release's tree, which must not change
        MARK: work.mark or uuid4().hex,
    }


def _our_path() -> Iterator[str]:
    """PATH without the shims of pyenv and asdf.

    They work by variables and files that Ansible does not see here, and its search for a Python
    on this machine would take one of them.
    """
    for part in os.environ.get("PATH", _PATH).split(":"):
        if part and Path(part).name != "shims":
            yield part


def arguments(
    work: Work, spec: AnsibleSpec, sources: Sequence[Path], folders: Folders
) -> Iterator[str]:
    """Arguments of ansible-playbook but for its name, vaults and check mode.

    Raises DefinitionError for what could be taken for an option or a file, or does not exist.
    """
    for source in sources:
        yield f"--inventory={source}"
    if spec.vars:
        yield f"--extra-vars=@{_write_vars(work, spec.vars, folders.private / 'vars.yaml')}"
    if limit := _limit(work, spec, folders):
        yield f"--limit={limit}"
    for option, tags in (("--tags", spec.tags), ("--skip-tags", spec.skip_tags)):
        if tags:
            yield f"{option}={','.join(_plain(tag, _TAG, f'{option[2:]}', work) for tag in tags)}"
    yield str(playbook_path(work, spec))


def playbook_path(work: Work, spec: AnsibleSpec) -> Path:
    """The playbook's absolute path. Raises DefinitionError where it is no file of the project."""
    path = work.project / spec.playbook
    inside = path.resolve().is_relative_to(work.project.resolve())
    if not spec.playbook or not inside or not path.is_file():
        _refuse(work, f"playbook '{spec.playbook}' is no file of the project")
    return path


def _limit(work: Work, spec: AnsibleSpec, folders: Folders) -> str:
    if work.only_hosts:  # they were within the stage's limit when they failed
        lines = "".join(f"{host}\n" for host in work.only_hosts)
        return f"@{write_private(folders.private / 'only-hosts', lines)}"
    limit = revealed(spec.limit)  # type: ignore[arg-type]  # resolved: a Value by now
    return _plain(limit, _LIMIT, "limit", work) if limit else ""


def _write_vars(work: Work, variables: Mapping[str, Any], path: Path) -> Path:
    """Literals of the team as they are (Jinja allowed); what held a reference is data."""
    data = {name: value for name, value in variables.items() if name in work.data_vars}
    if names := list(connection_names(revealed(data))):
        _refuse(
            work,
            f"variable '{names[0]}' comes from outside, and ansible_* names are Ansible's own: "
            "whoever sets them runs code on this machine",
        )
    document: dict[Any, Any] = {}
    for name, value in variables.items():
        document.update(as_data({name: value}) if name in data else {name: revealed(value)})
    return write_private(path, written(document))


def _plain(text: Any, pattern: re.Pattern[str], what: str, work: Work) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        _refuse(work, f"{what} {text!r} has characters that Ansible reads as an option or a file")
    return text


def _refuse(work: Work, message: str) -> NoReturn:
    raise DefinitionError([Problem(message=f"stage '{work.stage}': {message}")])
