"""`policy`: are the rules of the gates right, and what do they say?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.change import pipeline_of, pipeline_option
from orchestrator.cli.problems import FORMATS
from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.cli.words import clean, plural
from orchestrator.files.definitions import find_root
from orchestrator.model.codec import encode
from orchestrator.model.errors import UsageError
from orchestrator.model.gates import Decision, Violation
from orchestrator.rego.checking import rule_problems
from orchestrator.rego.explaining import Explanation, explained
from orchestrator.rego.pack import Pack
from orchestrator.rego.schema import schema_text
from orchestrator.rego.testing import report_on
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.policies import input_of
from orchestrator.wiring.app import opened_app


@click.group()
def policy() -> None:
    """The rules in policies/*.rego: checked, tested, explained."""


@policy.command()
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="text")
@pass_settings
def check(settings: Settings, format_: str) -> None:
    """What is wrong with the rules before they judge: functions, fields that no input has."""
    pack = _pack(settings)
    problems = rule_problems(pack)
    text = FORMATS["json" if settings.json else format_](problems)
    if text:
        click.echo(text, err=format_ == "text" and not settings.json)
    elif format_ == "text" and not settings.json:
        rules, tests = plural(len(pack.rules), "file"), plural(len(pack.tests), "file")
        click.echo(f"{rules} of rules and {tests} of tests: nothing is wrong")
    raise click.exceptions.Exit(2 if problems else 0)


@policy.command()
@pass_settings
def test(settings: Settings) -> None:
    """Run *_test.rego, and take every field from every refused input: none may be let pass."""
    report = report_on(_pack(settings))
    if settings.json:
        for result in report.results:
            click.echo(json.dumps({"v": 1, "type": "policy-test", **_json(result)}))
    for result in report.results:
        if not result.holds and not settings.json:
            click.echo(f"✗ {result.name}: {clean(result.why)}", err=True)
    bad = sum(not result.holds for result in report.results)
    said = "all hold" if not bad else f"{bad} do not hold"
    if not settings.json:
        click.echo(
            f"{plural(len(report.results), 'test')}: {said}; {report.mutations} inputs with a "
            f"field taken away; {report.covered:.0%} of the lines of rules reached"
        )
    raise click.exceptions.Exit(0 if report.holds else 1)


@policy.command("input")
@click.argument("environment")
@pipeline_option
@pass_settings
def input_(settings: Settings, environment: str, pipeline: str) -> None:
    """What rules would be told, were ENVIRONMENT brought up now. It is planned for that."""
    click.echo(json.dumps(_planned(settings, environment, pipeline), indent=2))


@policy.command()
@click.argument("packages", nargs=-1)
@click.option("-e", "--env", "environment", default="", help="Of this environment, planned now.")
@click.option("--input", "file", type=click.Path(path_type=Path), help="Of this gate-input/v1.")
@pipeline_option
@pass_settings
def explain(
    settings: Settings, packages: tuple[str, ...], environment: str, file: Path, pipeline: str
) -> None:
    """What the rules of PACKAGES (default: all) say, and why."""
    if bool(environment) == bool(file):
        raise UsageError("say of what: --env ENV, or --input FILE (orchestrator policy input).")
    pack = _pack(settings)
    given = _planned(settings, environment, pipeline) if environment else _read(file)
    found = [explained(pack, package, given) for package in packages or pack.packages]
    for each in found:
        click.echo(json.dumps(_shown(each)) if settings.json else _text(each))
    allowed = all(each.judgement.decision is Decision.ALLOW for each in found)
    raise click.exceptions.Exit(0 if allowed else 10)


@policy.command()
def schema() -> None:
    """The JSON Schema of what rules are told."""
    click.echo(schema_text(), nl=False)


def _pack(settings: Settings) -> Pack:
    """Of the working tree. Raises UsageError where it has no rules."""
    folder = find_root(settings.directory) / "policies"
    pack = Pack.read(folder)
    if not pack.rules:
        raise UsageError(f"there are no rules: {folder.name}/ holds no *.rego but tests.")
    return pack


def _planned(settings: Settings, environment: str, pipeline: str) -> dict[str, Any]:
    with opened_app(settings.directory, warm=True) as app:
        return input_of(
            app,
            pipeline=pipeline_of(app, pipeline),
            environment=environment,
            say=lambda stage: click.echo(f"planning {stage} …", err=True),
            interrupts=Interrupts(),
        )


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is no JSON: {error}.") from error


def _text(found: Explanation) -> str:
    judged = found.judgement
    lines = [
        f"{judged.package}: {judged.decision.value}"
        + (f" ({clean(judged.error)})" * bool(judged.error))
    ]
    if found.title:
        lines.append(f"  {clean(found.title)}")
    for violation in judged.violations:
        lines += _reason(violation, found)
    lines += [f"  warning: {clean(warning.message)}" for warning in judged.warnings]
    if found.least:
        rows = ", ".join(f"changes.rows.{index}" for index in found.least)
        lines.append(f"  without {rows} it would pass")
    return "\n".join(lines)


def _reason(violation: Violation, found: Explanation) -> list[str]:
    id_ = f"{violation.id}: " if violation.id else ""
    at = [f"      {path} = {clean(json.dumps(found.values[path]))}" for path in violation.paths]
    return [f"  ✗ {id_}{clean(violation.message)}", *at]


def _shown(found: Explanation) -> dict[str, Any]:
    judged = encode(found.judgement)
    assert isinstance(judged, dict)
    more = {"title": found.title, "values": dict(found.values), "least": list(found.least)}
    return {"v": 1, "type": "judgement", **judged, **more}


def _json(result: Any) -> dict[str, Any]:
    return {"name": result.name, "holds": result.holds, "why": result.why}
