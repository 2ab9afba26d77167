"""Which programs of the system are needed, and which Debian packages bring them?"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.setup.rows import Options, Report, Row, State
from orchestrator.setup.running import run_step

SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # not on a plain user's PATH on Debian


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Programs that belong together. programs: package -> programs that show it is there."""

    name: str
    programs: Mapping[str, tuple[str, ...]]


ALWAYS = (
    Wanted(name="git", programs={"git": ("git",)}),
    Wanted(name="ssh", programs={"openssh-client": ("ssh", "ssh-keygen")}),
)
LIGHT_HOSTS = Wanted(
    name="light hosts: programs",
    programs={
        "mmdebstrap": ("mmdebstrap",),
        "nftables": ("nft",),
        "iproute2": ("ip",),
        "uidmap": ("newuidmap",),
        "apt-utils": ("apt-ftparchive",),
        "util-linux": ("unshare", "nsenter"),
    },
)
POSTGRES = "postgresql"


def program_rows(options: Options) -> tuple[Row, ...]:
    """A row for each group of programs that these options call for."""
    groups = (*ALWAYS, LIGHT_HOSTS) if options.light_hosts else ALWAYS
    rows = tuple(_row(group, options) for group in groups)
    return (*rows, _postgres_row(options)) if options.tests else rows


def apt_command(packages: tuple[str, ...]) -> str:
    """The exact command, to be shown and to be copied."""
    return f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"


def install_packages(packages: tuple[str, ...], env: Mapping[str, str], report: Report) -> None:
    """Installs by apt, as root. Raises StepFailed."""
    quiet = {**env, "DEBIAN_FRONTEND": "noninteractive", "PATH": _path(env)}
    run_step("Debian's package lists", ["apt-get", "update", "-q"], report, env=quiet)
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    run_step(f"Debian packages {', '.join(packages)}", command, report, env=quiet)


def _row(group: Wanted, options: Options) -> Row:
    needed = [program for programs in group.programs.values() for program in programs]
    absent = {
        package: tuple(p for p in programs if not _found(p, options.env))
        for package, programs in group.programs.items()
    }
    lacking = tuple(package for package, programs in absent.items() if programs)
    missing = [program for programs in absent.values() for program in programs]
    return _row_of(
        group.name,
        needed=", ".join(needed),
        found=f"not there: {', '.join(missing)}" if missing else "all there",
        packages=lacking,
        options=options,
    )


def _postgres_row(options: Options) -> Row:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = _found("initdb", options.env) or (str(debian[-1]) if debian else None)
    return _row_of(
        "PostgreSQL server (for tests)",
        needed="initdb, postgres",
        found=found or "nowhere",
        packages=() if found else (POSTGRES,),
        options=options,
    )


def _row_of(
    name: str, *, needed: str, found: str, packages: tuple[str, ...], options: Options
) -> Row:
    has_apt = _found("apt-get", options.env) is not None
    return Row(
        name=name,
        needed=needed,
        found=found,
        state=State.MISSING if packages else State.OK,
        fix=_fix(packages, has_apt=has_apt, is_root=options.is_root),
        can_fix=bool(packages) and has_apt and options.is_root,
        packages=packages,
    )


def _fix(packages: tuple[str, ...], *, has_apt: bool, is_root: bool) -> str:
    if not packages:
        return ""
    if not has_apt:
        return f"install what Debian calls {', '.join(packages)}"
    command = apt_command(packages)
    return command if is_root else f"sudo sh -c '{command}'"


def _found(program: str, env: Mapping[str, str]) -> str | None:
    return shutil.which(program, path=_path(env))


def _path(env: Mapping[str, str]) -> str:
    return f"{env.get('PATH', os.defpath)}:{SYSTEM_FOLDERS}"
