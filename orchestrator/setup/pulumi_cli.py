"""Where is the Pulumi CLI, and does its version fit?

Looked for on PATH, then in Pulumi's own versions folder (`~/.pulumi/versions/<version>/bin`, where
Pulumi's Automation API looks as well). Starting it costs 0.15 s, so its answer is kept by path,
size and time of change.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from orchestrator.model.errors import ToolError
from orchestrator.setup.rows import cache_of, home_of

OWN_VERSION = (
    "3.259.0"  # the one that is installed where there is none; also in tools/pulumi/go.mod
)
NEEDED = ">=3.259,<4"
FIX = "orchestrator doctor --fix"
ANSWER_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A Pulumi CLI on this machine. version: what it says; "" if it does not say one."""

    path: Path
    version: str

    @property
    def fits(self) -> bool:
        try:
            return SpecifierSet(NEEDED).contains(Version(self.version), prereleases=True)
        except InvalidVersion:
            return False


class PulumiMissing(ToolError):
    """No Pulumi CLI on PATH nor in the versions folder."""

    def __init__(self, versions: Path) -> None:
        super().__init__(
            f"Pulumi is missing: no 'pulumi' on PATH and none under {versions}; "
            f"needed is a version {NEEDED}.",
            next=f"Bring it with: {FIX}",
        )
        self.versions = versions


class PulumiTooOld(ToolError):
    """There is a Pulumi CLI, but none of a version that fits."""

    def __init__(self, found: tuple[Candidate, ...]) -> None:
        seen = ", ".join(f"{c.path} is {c.version or 'of no stated version'}" for c in found)
        super().__init__(
            f"Pulumi does not fit: {seen}; needed is a version {NEEDED}.",
            next=f"Bring {OWN_VERSION} beside it, leaving it as it is, with: {FIX}",
        )
        self.found = found


def find_pulumi(env: Mapping[str, str]) -> Path:
    """The first Pulumi CLI whose version fits. Raises PulumiMissing, PulumiTooOld."""
    return choose_pulumi(env).path


def choose_pulumi(env: Mapping[str, str]) -> Candidate:
    """As find_pulumi, with the version it said."""
    seen: list[Candidate] = []
    for path in _places(env):
        candidate = Candidate(path=path, version=version_of(path, env))
        if candidate.fits:
            return candidate
        seen.append(candidate)
    if seen:
        raise PulumiTooOld(tuple(seen))
    raise PulumiMissing(versions_folder(env))


def find_yaml_host(pulumi: Path, env: Mapping[str, str]) -> Path | None:
    """The host of `runtime: yaml` programs, looked for as the engine does: PATH, beside the CLI."""
    beside = pulumi.resolve().parent / "pulumi-language-yaml"
    on_path = shutil.which("pulumi-language-yaml", path=env.get("PATH", os.defpath))
    if on_path:
        return Path(on_path)
    return beside if os.access(beside, os.X_OK) else None


def versions_folder(env: Mapping[str, str]) -> Path:
    """Pulumi's own folder of installed versions."""
    return home_of(env) / ".pulumi" / "versions"


def version_of(pulumi: Path, env: Mapping[str, str]) -> str:
    """What `pulumi version` says, without the v; "" if it says nothing or does not start."""
    key = _identity(pulumi)
    kept = _read_kept(env)
    if key not in kept:
        kept[key] = _ask_version(pulumi, env)
        _keep(kept, env)
    return kept[key]


def _places(env: Mapping[str, str]) -> Iterator[Path]:
    on_path = shutil.which("pulumi", path=env.get("PATH", os.defpath))
    if on_path:
        yield Path(on_path)
    folder = versions_folder(env)
    yield from (p for p in [folder / OWN_VERSION / "bin/pulumi"] if os.access(p, os.X_OK))
    others = (p for p in folder.glob("[0-9]*/bin/pulumi") if os.access(p, os.X_OK))
    yield from sorted((p for p in others if p.parent.parent.name != OWN_VERSION), reverse=True)


def _ask_version(pulumi: Path, env: Mapping[str, str]) -> str:
    try:
        asked = subprocess.run(
            [pulumi, "version"],
            env={
                "PATH": env.get("PATH", os.defpath),
                "HOME": str(home_of(env)),
                "PULUMI_SKIP_UPDATE_CHECK": "true",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = re.search(r"^v?(\d+\.\d+\.\d+\S*)", asked.stdout.strip())
    return said.group(1) if said else ""


def _identity(pulumi: Path) -> str:
    status = pulumi.stat()
    return f"{pulumi.resolve()} {status.st_size} {status.st_mtime_ns}"


def _kept_file(env: Mapping[str, str]) -> Path:
    return cache_of(env) / "pulumi-versions.json"


def _read_kept(env: Mapping[str, str]) -> dict[str, str]:
    try:
        kept = json.loads(_kept_file(env).read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {str(key): said for key, said in kept.items() if isinstance(said, str)}


def _keep(kept: Mapping[str, str], env: Mapping[str, str]) -> None:
    """Remembers answers, but not the empty one: what did not start may start the next time."""
    target = _kept_file(env)
    with suppress(OSError):  # a home that cannot be written to costs 0.15 s each time, no more
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=target.parent, delete=False) as new:
            json.dump({key: said for key, said in kept.items() if said}, new)
        os.replace(new.name, target)
