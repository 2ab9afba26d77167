"""What does this machine lack, and who mends it?

    rows = examine(Options(light_hosts=True))
    rows = fix(rows, print, Options(light_hosts=True))

Nothing here imports Pulumi or Ansible: with nothing to do it is over in well under a second.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from orchestrator.model.errors import OrchestratorError
from orchestrator.setup import light_hosts
from orchestrator.setup.debian import install_packages, program_rows
from orchestrator.setup.pulumi_cli import (
    FIX,
    NEEDED,
    OWN_VERSION,
    Candidate,
    PulumiMissing,
    PulumiTooOld,
    choose_pulumi,
    find_yaml_host,
    versions_folder,
)
from orchestrator.setup.pulumi_install import YAML_VERSION, install_pulumi
from orchestrator.setup.python_side import BYTE_CODE, compile_package, python_rows
from orchestrator.setup.rows import Options, Report, Row, State

CHECKOUT = Path(__file__).parent.parent.parent
PULUMI = "Pulumi CLI"
YAML_HOST = "Pulumi YAML host"


def examine(options: Options) -> tuple[Row, ...]:
    """Every needed thing, one row each, in the order in which they are to be mended."""
    light = light_hosts.light_host_rows(options) if options.light_hosts else ()
    return (*python_rows(), *program_rows(options), *_pulumi_rows(options), *light)


def fix(rows: Iterable[Row], report: Report, options: Options) -> tuple[Row, ...]:
    """Mends what it can of `rows`, telling each step, and examines anew.

    A step that fails is reported with the last lines it said, and the others go on: what is still
    missing stands in the rows that come back. Never raises for a failed step.
    """
    wanted = [row for row in rows if row.can_fix]
    packages = tuple(dict.fromkeys(p for row in wanted for p in row.packages))
    repairs = _repairs(options, report)
    steps = list(dict.fromkeys(repairs[row.name] for row in wanted if row.name in repairs))
    if packages:
        steps.insert(0, partial(install_packages, packages, options.env, report))
    for step in steps:
        _try(step, report)
    return examine(options)


def _try(step: Callable[[], object], report: Report) -> None:
    try:
        step()
    except (OrchestratorError, OSError) as why:
        report(str(why))


def _repairs(options: Options, report: Report) -> dict[str, Callable[[], object]]:
    pulumi = partial(install_pulumi, CHECKOUT, options.env, report)
    return {
        BYTE_CODE: partial(compile_package, report),
        PULUMI: pulumi,
        YAML_HOST: pulumi,  # both come together, in one step
        **{
            part.name: partial(light_hosts.bring, part, options.env, report)
            for part in light_hosts.PARTS
        },
    }


def _pulumi_rows(options: Options) -> tuple[Row, Row]:
    try:
        chosen = choose_pulumi(options.env)
    except PulumiMissing:
        return _no_pulumi("nowhere", State.MISSING), _no_yaml_host()
    except PulumiTooOld as old:
        seen = ", ".join(f"{c.version or 'no version'} at {c.path}" for c in old.found)
        return _no_pulumi(seen, State.OLD), _no_yaml_host()
    found = f"{chosen.version} at {chosen.path}"
    row = Row(name=PULUMI, needed=NEEDED, found=found, state=State.OK)
    return row, _yaml_row(chosen, options)


def _no_pulumi(found: str, state: State) -> Row:
    return Row(name=PULUMI, needed=NEEDED, found=found, state=state, fix=FIX, can_fix=True)


def _no_yaml_host() -> Row:
    return Row(
        name=YAML_HOST,
        needed=YAML_VERSION,
        found="comes with Pulumi",
        state=State.MISSING,
        fix=FIX,
        can_fix=True,
    )


def _yaml_row(chosen: Candidate, options: Options) -> Row:
    host = find_yaml_host(chosen.path, options.env)
    ours = versions_folder(options.env) / OWN_VERSION
    can_fix = host is None and chosen.path.is_relative_to(ours)
    return Row(
        name=YAML_HOST,
        needed="beside the CLI, for `runtime: yaml` programs",
        found=str(host) if host else f"not beside {chosen.path}",
        # A Pulumi of somebody else's is left alone, and Python programs do not need the host.
        state=State.OK if host else State.MISSING if can_fix else State.WARN,
        fix="" if host else FIX if can_fix else "install Pulumi as its site says, which brings it",
        can_fix=can_fix,
    )
