"""Can one see what a pipeline comes to, and where a value comes from?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.files.definitions import load_project
from orchestrator.files.explain import Link, explain
from orchestrator.files.render import render, render_text
from orchestrator.model.errors import UsageError
from tests.files.projects import FILES, guestbook, write


def rendered(root: Path, environment: str) -> Any:
    return render(guestbook(root), "guestbook", environment)


def shown(links: tuple[Link, ...]) -> list[str]:
    return [f"{'  ' * k.depth}{k.path} = {k.value} ({k.position}) {k.note}" for k in links]


def test_render(tmp_path: Path) -> None:
    """Variables are filled in, with their types; what is not known yet says when it will be."""
    data = rendered(tmp_path, "prod")
    assert data["vars"] == {"cidr": "10.66.30.0/24", "web_count": 3, "batch": "34%"}
    assert data["stages"]["hosts"] == {
        "pulumi": {
            "project": "stacks/hosts",
            "config": {"network": "(known after network)", "web_count": 3},
        },
        "timeout": "20m",
        "outputs": {"inventory": "inventory", "url": "url"},
    }
    assert data["stages"]["smoke"]["check"]["url"] == "(known after hosts)/healthz"
    assert data["stages"]["app"]["ansible"]["vars"]["source"] == "(known with the release)"
    assert rendered(tmp_path, "dev")["vars"]["batch"] == "100%"


def test_render_masks_secrets(tmp_path: Path) -> None:
    """A secret is *****, alone, inside text, and by way of a variable."""
    ways = "a: ${{ secrets.smtp }}\n        b: x ${{ secrets.smtp }}\n        c: ${{ vars.pw }}"
    changed = FILES["orchestrator.yaml"].replace("batch: ${{ vars.batch }}", ways)
    changed = changed.replace("vars:\n", "vars:\n  pw: secret(string)\n", 1)
    more = "secrets: { smtp: 'env://S' }\n"
    files = {
        **FILES,
        "orchestrator.yaml": changed,
        "inventories/dev/environment.yaml": FILES["inventories/dev/environment.yaml"].replace(
            "web_count: 2", "web_count: 2, pw: '${{ secrets.smtp }}'"
        )
        + more,
        "inventories/prod/environment.yaml": FILES["inventories/prod/environment.yaml"].replace(
            "web_count: 3", "web_count: 3, pw: '${{ secrets.smtp }}'"
        ),
    }
    data: Any = render(load_project(write(tmp_path, files)), "", "dev")
    found = data["stages"]["app"]["ansible"]["vars"]
    assert (found["a"], found["b"], found["c"]) == ("*****", "*****", "*****")
    assert data["secrets"] == {"smtp": "*****"}
    assert data["vars"]["pw"] == "*****"


def test_render_text(tmp_path: Path) -> None:
    """The text is YAML in the order of the file."""
    text = render_text(guestbook(tmp_path), "", "dev")
    assert text.startswith("pipeline: guestbook\nenvironment: dev\nvars:\n  cidr: 10.66.10.0/24\n")
    assert text.index("network:") < text.index("hosts:") < text.index("smoke:")


def test_explain_a_reference(tmp_path: Path) -> None:
    """A value is followed to the output or the variable that it comes from."""
    project = guestbook(tmp_path)
    assert shown(explain(project, "", "dev", "stages.hosts.config.network")) == [
        "stages.hosts.pulumi.config.network = (known after network) (orchestrator.yaml:23)"
        " set in pipeline 'guestbook'",
        "  stages.network.outputs.network = (known after network) (orchestrator.yaml:18)"
        " output of stage 'network', string",
    ]
    assert shown(explain(project, "", "dev", "stages.app.vars.batch")) == [
        "stages.app.ansible.vars.batch = 100% (orchestrator.yaml:39) set in pipeline 'guestbook'",
        "  vars.batch = 100% (orchestrator.yaml:12) default in pipeline 'guestbook'",
    ]
    assert shown(explain(project, "", "prod", "vars.batch")) == [
        "vars.batch = 34% (inventories/prod/environment.yaml:7) set in environment 'prod'"
    ]


def test_explain_what_is_extended(tmp_path: Path) -> None:
    """A value from a shared part names that file."""
    files = {
        **FILES,
        "inventories/common.yaml": "vars: { batch: 10% }\n",
        "inventories/dev/environment.yaml": FILES["inventories/dev/environment.yaml"]
        + "extends: [common.yaml]\nsecrets: { smtp: 'env://S' }\n",
    }
    project = load_project(write(tmp_path, files))
    assert shown(explain(project, "", "dev", "vars.batch")) == [
        "vars.batch = 10% (inventories/common.yaml:1) set in environment 'dev', which extends"
        " inventories/common.yaml"
    ]
    assert shown(explain(project, "", "dev", "secrets.smtp")) == [
        "secrets.smtp = ***** (inventories/dev/environment.yaml:6) secret, read from env://S when"
        " a stage asks"
    ]


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("stages.hosts.timeout", "20m"),
        ("stages.hosts.pulumi.project", "stacks/hosts"),
        ("stages.base.inventory.0", "(known after hosts)"),
        ("stages.hosts.outputs.url", "(known after hosts)"),
        ("stages.app.needs", ["base"]),
        ("environment", "dev"),
    ],
)
def test_explain_any_path(tmp_path: Path, path: str, first: object) -> None:
    """Whatever `render` shows can be asked for; the kind of a stage may be left out."""
    assert explain(guestbook(tmp_path), "", "dev", path)[0].value == first


@pytest.mark.parametrize(
    ("path", "environment", "message"),
    [
        ("stages.hots.timeout", "dev", "'hots' is not in stages; did you mean 'hosts'?"),
        (
            "stages.hosts.timeuot",
            "dev",
            "'timeuot' is not in stages.hosts; did you mean",
        ),
        ("vars.bacth", "dev", "'bacth' is not in vars; did you mean 'batch'?"),
        ("stages.hosts.timeout.x", "dev", "'x' is not in stages.hosts.timeout; it has no parts"),
        ("", "dev", "'' is not in this pipeline"),
        ("vars.batch", "pord", "there is no environment 'pord'; did you mean 'prod'?"),
    ],
)
def test_explain_refuses(tmp_path: Path, path: str, environment: str, message: str) -> None:
    """A path that leads nowhere is answered with where it could have led."""
    with pytest.raises(UsageError) as caught:
        explain(guestbook(tmp_path), "", environment, path)
    assert str(caught.value).startswith(message)


def test_which_pipeline(tmp_path: Path) -> None:
    """A pipeline that is not there is refused with those that are."""
    with pytest.raises(UsageError, match="there is no pipeline 'guestbok' did you mean"):
        render(guestbook(tmp_path), "guestbok", "dev")
