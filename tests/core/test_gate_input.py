"""What are rules told of a plan?"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.core.gate_input import gate_input
from orchestrator.files.definitions import load_project
from orchestrator.model.runs import Changes, Plan, Row, RowCertainty
from orchestrator.rego.schema import input_problems

CHECKOUT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 24, 12, 0, 1, tzinfo=UTC)


def _told(environment: str, **plans: Plan) -> dict[str, Any]:
    project = load_project(CHECKOUT)
    pipeline = project.pipelines["guestbook"]
    return gate_input(
        pipeline,
        project.environments[environment],
        [(name, plans.get(name, Plan())) for name in pipeline.stages],
        action="promote",
        release=("guestbook@1", "sha256:00"),
        now=NOW,
    )


def test_it_fits_the_published_schema() -> None:
    """The reference project's own environments, empty plans and full ones."""
    row = Row(address="lighthost:index:Host web-1", operation="replace", paths=("image",))
    plan = Plan(rows=(row,), changes=Changes(replace=1))
    for environment in ("dev", "staging", "prod"):
        assert input_problems(_told(environment)) == ()
        assert input_problems(_told(environment, hosts=plan)) == ()


def test_a_resource_has_a_type_and_a_task_a_host() -> None:
    """Both tools' rows in one list, in the order of the stages."""
    resource = Row(address="lighthost:index:Host web-1", operation="update")
    task = Row(
        address="web-2: app : copy source",
        operation="change",
        certainty=RowCertainty.PREDICTED,
    )
    told = _told("dev", hosts=Plan(rows=(resource,)), app=Plan(rows=(task,)))
    first, second = told["changes"]["rows"]
    assert (first["type"], first["name"], first["host"]) == ("lighthost:index:Host", "web-1", "")
    assert (second["type"], second["name"], second["host"]) == ("", "app : copy source", "web-2")
    assert second["certainty"] == "predicted"


def test_a_stage_that_is_put_off_is_not_planned() -> None:
    """It says why, so that rules can refuse what nobody knows."""
    told = _told("dev", app=Plan(deferred="'stages.database.outputs.dsn' is not known"))
    (app,) = [stage for stage in told["stages"] if stage["name"] == "app"]
    assert app["planned"] is False
    assert "dsn" in app["why_not"]


def test_secrets_are_told_as_secrets_and_never_in_clear() -> None:
    """An input that refers to a secret output is one; a variable's reference is no literal."""
    told = _told("dev")
    (app,) = [stage for stage in told["stages"] if stage["name"] == "app"]
    inputs = {given["name"]: given for given in app["inputs"]}
    assert inputs["dsn"] == {"name": "dsn", "secret": True, "literal": False}
    assert inputs["batch"] == {"name": "batch", "secret": False, "literal": False}


def test_variables_that_nobody_set_have_their_default() -> None:
    """What the environment leaves out is there as the pipeline has it."""
    assert _told("dev")["env"]["vars"]["batch"] == "100%"
