"""How does the Pulumi CLI come onto a machine that has none?

By Pulumi's own installer where its site is reached, else built as a Go module whose every source is
locked by hash in tools/pulumi/go.sum. Either way it is made in a folder of its own and renamed
whole, so that a half-made one is never found. Source: shared reference pulumi.md, section 1.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.model.errors import ToolError
from orchestrator.setup.golang import go_compiler
from orchestrator.setup.pulumi_cli import OWN_VERSION, versions_folder
from orchestrator.setup.rows import Report
from orchestrator.setup.running import StepFailed, run_step

INSTALLER = "https://get.pulumi.com/install.sh"
CONNECT_LIMIT_S = 3
YAML_VERSION = "1.38.1"
SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"
EXTRAS = ("pulumi-resource-pulumi-python", "pulumi-language-python-exec")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoProgram:
    """One program of the module lock, and the variable that is stamped with its version."""

    name: str
    package: str
    stamp: str
    version: str


PROGRAMS = (
    GoProgram(
        name="pulumi",
        package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        stamp=f"{SDK_MODULE}/go/common/version.Version",
        version=OWN_VERSION,
    ),
    GoProgram(
        name="pulumi-language-yaml",
        package="github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
        stamp="github.com/pulumi/pulumi-yaml/pkg/version.Version",
        version=YAML_VERSION,
    ),
)


def install_pulumi(checkout: Path, env: Mapping[str, str], report: Report) -> Path:
    """Brings Pulumi OWN_VERSION into the versions folder, and returns the CLI's path.

    checkout: where tools/pulumi and requirements/go.txt lie. Raises ToolError.
    """
    target = versions_folder(env) / OWN_VERSION
    with _alone(target):
        if not is_complete(target):
            _install(target, checkout, env, report)
    return target / "bin" / "pulumi"


def is_complete(folder: Path) -> bool:
    """True if a versions folder holds the CLI and the YAML host."""
    return all(os.access(folder / "bin" / program.name, os.X_OK) for program in PROGRAMS)


def build_pulumi(made: Path, checkout: Path, env: Mapping[str, str], report: Report) -> None:
    """Builds everything into `made`/bin; minutes on two cores. Raises ToolError."""
    module = checkout / "tools" / "pulumi"
    if not (module / "go.sum").exists():
        raise ToolError(
            f"Pulumi cannot be built: {module} is not there.",
            next=f"Work in a git checkout, or install Pulumi {OWN_VERSION} as its site says.",
        )
    go = go_compiler(checkout / "requirements" / "go.txt", env, report)
    for program in PROGRAMS:
        _build(go, program, made, module, env, report)
    _copy_extras(go, made, module, env, report)


def _install(target: Path, checkout: Path, env: Mapping[str, str], report: Report) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as folder:
        made = Path(folder) / OWN_VERSION
        if not _by_vendor(made, env, report):
            build_pulumi(made, checkout, env, report)
        if target.exists():  # incomplete, or it would not be made again
            os.rename(target, Path(folder) / "before")
        os.rename(made, target)


def _by_vendor(made: Path, env: Mapping[str, str], report: Report) -> bool:
    """True if Pulumi's own installer did it; False, with a word why, where it cannot be had."""
    curl = shutil.which("curl", path=env.get("PATH", os.defpath))
    if curl is None:
        report("Pulumi's installer: passed over, there is no curl")
        return False
    script = made.parent / "install.sh"
    ask = [curl, "-fsSL", "--connect-timeout", str(CONNECT_LIMIT_S), "--max-time", "60"]
    try:
        run_step("Pulumi's installer", [*ask, "-o", str(script), INSTALLER], report, env=env)
        words = ["--no-edit-path", "--install-root", str(made), "--version", OWN_VERSION]
        run_step(f"Pulumi {OWN_VERSION}", ["sh", str(script), *words], report, env=env)
    except StepFailed as why:
        reason = why.tail.splitlines()[-1] if why.tail else f"code {why.code}"
        report(f"Pulumi's installer: not to be had ({reason}); building Pulumi as a Go module")
        shutil.rmtree(made, ignore_errors=True)
        return False
    return is_complete(made)


def _build(
    go: Path, program: GoProgram, made: Path, module: Path, env: Mapping[str, str], report: Report
) -> None:
    flags = f"-s -w -X {program.stamp}=v{program.version}"
    command = [str(go), "build", "-tags", "osusergo,grpcnotrace", "-ldflags", flags]
    command += ["-o", str(made / "bin" / program.name), program.package]
    step = f"building {program.name} {program.version}"
    run_step(step, command, report, env=_go_environment(env), cwd=module)


def _copy_extras(
    go: Path, made: Path, module: Path, env: Mapping[str, str], report: Report
) -> None:
    """The two scripts that make Python dynamic providers work; module zips drop their x bit."""
    ask = [str(go), "list", "-m", "-f", "{{.Dir}}", SDK_MODULE]
    said = run_step("Pulumi's scripts", ask, report, env=_go_environment(env), cwd=module)
    sdk = Path(said.strip().splitlines()[-1])
    for folder, name in zip(("dist", "cmd"), EXTRAS, strict=True):
        copy = made / "bin" / name
        shutil.copyfile(sdk / "python" / folder / name, copy)
        copy.chmod(0o755)


def _go_environment(env: Mapping[str, str]) -> dict[str, str]:
    return {
        **env,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",  # readonly: go.sum must already bind
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Two who install at once: the second waits, and then finds it done."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / ".orchestrator-lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
