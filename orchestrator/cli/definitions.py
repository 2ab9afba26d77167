"""The verbs about what is written: validate, render, graph, explain, schema."""

from __future__ import annotations

import json

import click

from orchestrator.cli.drawing import as_dot, as_mermaid, as_text
from orchestrator.cli.problems import FORMATS
from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.cli.words import clean, plural
from orchestrator.core.graph import graph_of
from orchestrator.files.definitions import find_root, load_project
from orchestrator.files.definitions import validate as problems_of
from orchestrator.files.explain import Link
from orchestrator.files.explain import explain as chain_of
from orchestrator.files.render import render as rendered
from orchestrator.files.render import render_text
from orchestrator.files.schema import schema_text

_ENV = click.option("-e", "--env", "environment", default="", help="In this environment.")
_PIPELINE = click.option("--pipeline", default="", help="Where a project has several.")
_DRAWN = {"text": as_text, "mermaid": as_mermaid, "dot": as_dot}


@click.command()
@_ENV
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="text")
@pass_settings
def validate(settings: Settings, environment: str, format_: str) -> None:
    """Check every file of the project: all problems at once, each with its place."""
    root = find_root(settings.directory)
    problems = problems_of(root)
    if environment:
        others = f"inventories/{environment}/"
        problems = tuple(
            problem
            for problem in problems
            if not problem.position
            or not problem.position.file.startswith("inventories/")
            or problem.position.file.startswith(others)
            or problem.position.file.count("/") == 1
        )
    errors = sum(problem.severity == "error" for problem in problems)
    text = FORMATS["json" if settings.json else format_](problems)
    if text:
        click.echo(text, err=format_ == "text" and not settings.json)
    if not errors and format_ == "text" and not settings.json:
        project = load_project(root)
        stages = sum(len(pipeline.stages) for pipeline in project.pipelines.values())
        click.echo(
            f"{project.id} is valid: {plural(stages, 'stage')}, "
            f"{plural(len(project.environments), 'environment')}"
        )
    raise click.exceptions.Exit(2 if errors else 0)


@click.command()
@click.option("-e", "--env", "environment", required=True, help="In this environment.")
@_PIPELINE
@pass_settings
def render(settings: Settings, environment: str, pipeline: str) -> None:
    """The resolved definition: what each stage would be asked, as far as files can tell."""
    project = load_project(find_root(settings.directory))
    if settings.json:
        click.echo(json.dumps(rendered(project, pipeline, environment)))
    else:
        click.echo(render_text(project, pipeline, environment), nl=False)


@click.command()
@_PIPELINE
@click.option("--format", "format_", type=click.Choice(list(_DRAWN)), default="text")
@pass_settings
def graph(settings: Settings, pipeline: str, format_: str) -> None:
    """The stages and what they wait for."""
    project = load_project(find_root(settings.directory))
    if pipeline and pipeline not in project.pipelines:
        known = ", ".join(project.pipelines)
        raise click.UsageError(f"there is no pipeline '{pipeline}'; pipelines: {known}")
    chosen = [project.pipelines[pipeline]] if pipeline else list(project.pipelines.values())
    for each in chosen:
        if len(chosen) > 1 and format_ == "text":
            click.echo(f"pipeline {each.name}")
        click.echo(_DRAWN[format_](each, graph_of(each)))


@click.command()
@click.argument("path")
@click.option("-e", "--env", "environment", default="", help="In this environment.")
@_PIPELINE
@pass_settings
def explain(settings: Settings, path: str, environment: str, pipeline: str) -> None:
    """Where the value at PATH comes from, to file and line: stages.hosts.config.network."""
    project = load_project(find_root(settings.directory))
    environment = environment or next(iter(project.environments), "")
    links = chain_of(project, pipeline, environment, path)
    if settings.json:
        click.echo(json.dumps([_link_json(link) for link in links]))
        return
    for link in links:
        value = link.value if isinstance(link.value, str) else json.dumps(link.value)
        where = f"  ({link.position})" if link.position else ""
        indent = "  " * link.depth
        click.echo(f"{indent}{link.path} = {clean(value)}\n{indent}    {link.note}{where}")


@click.command()
def schema() -> None:
    """The JSON Schema of the definition files, for editors."""
    click.echo(schema_text(), nl=False)


def _link_json(link: Link) -> dict[str, object]:
    place = link.position
    return {
        "path": link.path,
        "value": link.value,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "note": link.note,
        "depth": link.depth,
    }
