"""Does a Pulumi stage do what it should, with the real CLI?"""

from orchestrator.model.runs import Changes, Status
from orchestrator.model.values import Secret
from tests.needs import needs_postgres, needs_pulumi
from tests.postgres import Postgres
from tests.pulumi.conftest import DYNAMIC, both
from tests.pulumi.stage import Stage

pytestmark = [needs_pulumi]


@both
def test_plan_changes_nothing(stage: Stage) -> None:
    """A plan of a stack that does not exist leaves none behind."""
    stage.outputs = {"size": "int", "token": "secret(string)"}
    plan = stage.do("plan").plan
    assert plan.outputs == {"size": 1}
    assert plan.unknown == ("token",)
    assert not stage.exists


@both
def test_outputs_are_typed_and_secret(stage: Stage) -> None:
    """Declared outputs come, a secret one as Secret; others do not."""
    stage.outputs = {"size": "int", "token": "secret(string)"}
    outcome = stage.do("apply").outcome
    assert outcome.outputs == {"size": 1, "token": Secret("hush-hush")}
    assert stage.do("unchanged").last["result"] == "refreshed preview: no changes"
    assert stage.do("plan").plan.outputs == outcome.outputs


def test_secret_output_must_be_declared_so(stage: Stage) -> None:
    """An output that the program marks secret fails a stage that declares it open, by name."""
    stage.outputs = {"token": "string"}
    outcome = stage.do("apply").outcome
    assert outcome.status is Status.FAILED
    assert "secret(string)" in outcome.failures[0].what
    assert "token" in outcome.failures[0].where


def test_missing_config_is_named(stage: Stage) -> None:
    """A key that the program requires and nobody gave is named, with the place to give it."""
    stage.write({"__main__.py": "import pulumi\npulumi.Config().require('image')\n"})
    (failure,) = stage.do("apply").outcome.failures
    assert "site:image" in failure.what
    assert "'config'" in failure.what


def test_missing_plugin_says_the_fix(stage: Stage) -> None:
    """A provider that is not installed is named, with the command that brings it."""
    stage.write(
        {
            "__main__.py": "import pulumi\n"
            "pulumi.CustomResource('nowhere:index:Thing', 'a', {}, "
            "pulumi.ResourceOptions(version='1.2.3'))\n"
        }
    )
    (failure, *_) = stage.do("apply").outcome.failures
    assert "pulumi plugin install resource nowhere 1.2.3" in failure.what


CONFIG = {
    "__main__.py": """\
import json, pulumi
config = pulumi.Config()
pulumi.export("all", {
    "text": config.require("text"),
    "flag": config.require_bool("flag"),
    "count": config.require_int("count"),
    "share": config.require_float("share"),
    "list": config.require_object("list"),
    "map": config.require_object("map"),
    "region": pulumi.Config("aws").require("region"),
    "base": config.get("base"),
})
pulumi.export("secret", config.require_secret("password"))
pulumi.export("nested", config.require_secret_object("nested"))
pulumi.export("whole", config.require_secret_object("whole"))
"""
}


@both
def test_config_reaches_the_program(stage: Stage) -> None:
    """Every kind of value arrives as it was, over the project's own stack file as base."""
    stage.write({**CONFIG, "Pulumi.dev.yaml": "config:\n  site:base: kept\n  site:text: old\n"})
    stage.spec["config"] = {
        "text": "new",
        "flag": True,
        "count": 3,
        "share": 0.5,
        "list": ["a", 1, True],
        "map": {"a": {"b": 2}},
        "aws:region": "eu-west-1",
        "password": Secret("pa$$word"),
        "nested": {"user": "u", "key": Secret("k-1")},
        "whole": Secret({"deep": ["x", 1]}),
    }
    stage.outputs = {
        "all": "object",
        "secret": "secret(string)",
        "nested": "secret(object)",
        "whole": "secret(object)",
    }
    outcome = stage.do("apply").outcome
    assert outcome.status is Status.SUCCEEDED, outcome.failures
    assert outcome.outputs == {
        "all": {
            "text": "new",
            "flag": True,
            "count": 3,
            "share": 0.5,
            "list": ["a", 1, True],
            "map": {"a": {"b": 2}},
            "region": "eu-west-1",
            "base": "kept",
        },
        "secret": Secret("pa$$word"),
        "nested": Secret({"user": "u", "key": "k-1"}),
        "whole": Secret({"deep": ["x", 1]}),
    }
    assert (stage.program / "Pulumi.dev.yaml").read_text().startswith("config:\n  site:base")
    assert stage.do("apply").outcome.changes.any is False


@both
def test_secrets_stand_nowhere_in_clear(stage: Stage) -> None:
    """No config secret and no passphrase is on a command line, in the state, or left in a file."""
    stage.write(
        {
            "__main__.py": """\
import os, pulumi
for name in os.listdir("/proc"):
    if name.isdigit():
        try:
            line = open(f"/proc/{name}/cmdline").read()
        except OSError:
            continue
        if "--stack" in line and "site" in line:
            print("SEEN", line.replace("\\0", " "))
print("ENV", sorted(os.environ))
pulumi.export("out", pulumi.Config().require_secret("password"))
"""
        }
    )
    stage.spec["config"] = {"password": Secret("open sesame")}
    stage.outputs = {"out": "secret(string)"}
    stage.env = {"DATABASE_URL": "postgresql://secret-host", "ALSO": "hidden"}
    stage.credentials = {"CLOUD_KEY": "k"}
    done = stage.do("apply")
    assert done.outcome.outputs == {"out": Secret("open sesame")}
    seen = [line for line in done.logs() if line.startswith("SEEN")]
    assert any("up --yes" in line for line in seen)
    assert not any("sesame" in line or "correct horse" in line for line in seen)
    (env,) = [line for line in done.logs() if line.startswith("ENV")]
    assert "CLOUD_KEY" in env
    assert not {"DATABASE_URL", "ALSO", "PULUMI_CONFIG_PASSPHRASE"} & set(env.split("'"))
    for path in stage.root.rglob("*"):
        if path.is_file() and path.name != "__main__.py":
            content = path.read_bytes()
            assert b"open sesame" not in content, path
            assert b"correct horse" not in content, path


@both
def test_own_passphrase_opens_the_base_file(stage: Stage) -> None:
    """A stack file with secrets of the user's own passphrase works where the user hands it on."""
    from orchestrator.pulumi.passphrase import new_cipher

    cipher = new_cipher("my own")
    secure = cipher.encrypt("from the file")
    stage.write(
        {
            "__main__.py": "import pulumi\n"
            "pulumi.export('out', pulumi.Config().require_secret('word'))\n",
            "Pulumi.dev.yaml": f"encryptionsalt: {cipher.salt}\n"
            f"config:\n  site:word:\n    secure: {secure}\n",
        }
    )
    stage.outputs = {"out": "secret(string)"}
    assert "PULUMI_CONFIG_PASSPHRASE" in stage.do("apply").error
    stage.credentials = {"PULUMI_CONFIG_PASSPHRASE": "my own"}
    assert stage.do("apply").outcome.outputs == {"out": Secret("from the file")}


def test_a_stack_keeps_its_key_when_credentials_name_another(stage: Stage) -> None:
    """A passphrase handed on for one stack shuts no stack out that was made before; its file's
    secrets are read all the same."""
    from orchestrator.pulumi.passphrase import new_cipher

    program = "import pulumi\npulumi.export('out', pulumi.Config().get_secret('word'))\n"
    stage.write({"__main__.py": program})
    stage.spec["config"] = {"word": Secret("first")}
    stage.outputs = {"out": "secret(string)"}
    assert stage.do("apply").outcome.outputs == {"out": Secret("first")}
    stage.credentials = {"PULUMI_CONFIG_PASSPHRASE": "my own"}
    assert stage.do("apply").outcome.changes.any is False
    cipher = new_cipher("my own")
    secure = cipher.encrypt("from the file")
    stage.write(
        {
            "Pulumi.dev.yaml": f"encryptionsalt: {cipher.salt}\n"
            f"config:\n  site:word:\n    secure: {secure}\n"
        }
    )
    stage.spec["config"] = {}
    assert stage.do("apply").outcome.outputs == {"out": Secret("from the file")}
    assert stage.do("destroy").outcome.status is Status.SUCCEEDED


@both
def test_failed_resource_is_named(stage: Stage) -> None:
    """A resource that cannot be made is the failure, with the provider's own words and no echo."""
    stage.write(DYNAMIC)
    stage.spec["config"] = {"world": str(stage.root / "world"), "bad": True}
    done = stage.do("apply")
    (failure,) = done.outcome.failures
    assert failure.where == "pulumi-python:dynamic:Resource b"
    assert failure.what == "no room for b"
    assert ("create", "b") in done.resources("failed")
    stage.spec["config"] = {"world": str(stage.root / "world")}
    assert stage.do("apply").outcome.changes.create == 1


@both
def test_drift_is_seen_and_mended(stage: Stage) -> None:
    """What was taken away behind our back is in the plan, never "unchanged", and made again."""
    stage.write(DYNAMIC)
    stage.spec["config"] = {"world": str(stage.root / "world")}
    stage.do("apply")
    assert stage.do("unchanged").last["result"]
    (stage.root / "world" / "b").unlink()
    assert stage.do("unchanged").last["result"] == ""
    (row,) = stage.do("plan").plan.rows
    assert (row.address, row.operation) == ("pulumi-python:dynamic:Resource b", "create")
    assert stage.do("apply").outcome.changes.create == 1
    stage.spec["config"]["v"] = 7
    (row,) = stage.do("plan").plan.rows
    assert (row.operation, row.paths, row.detail) == ("update", ("v",), "v: 1 -> 7")


def test_unknown_outputs_are_not_guessed(stage: Stage) -> None:
    """An output that a resource will only have once it exists is unknown in a plan."""
    stage.write(DYNAMIC)
    stage.spec["config"] = {"world": str(stage.root / "world")}
    stage.outputs = {"made": "int", "text": "string", "v": "int"}
    plan = stage.do("plan").plan
    assert plan.outputs == {"v": 1}
    assert set(plan.unknown) == {"made", "text"}
    assert stage.do("apply").outcome.outputs == {"made": 1, "text": "made 1", "v": 1}


@both
def test_destroy_leaves_nothing(stage: Stage) -> None:
    """Resources, the stack and what was kept for it are gone; a second destroy finds nothing."""
    stage.write(DYNAMIC)
    stage.spec["config"] = {"world": str(stage.root / "world")}
    stage.do("apply")
    outcome = stage.do("destroy").outcome
    assert outcome.status is Status.SUCCEEDED
    assert outcome.changes.delete == 3
    assert not list((stage.root / "world").iterdir())
    assert not stage.exists
    assert not (stage.root / "keep").exists()
    again = stage.do("destroy").outcome
    assert again.status is Status.SUCCEEDED
    assert not again.changes.any


@needs_postgres
def test_a_backend_that_is_no_folder(stage: Stage, postgres: Postgres) -> None:
    """A stack in PostgreSQL is made, updated, read for its secret output, and removed."""
    url = postgres.new_database()
    stage.backend = url.replace("postgresql+psycopg://", "postgres://") + "&sslmode=disable"
    stage.outputs = {"size": "int", "token": "secret(string)"}
    assert stage.do("plan").plan.changes.create == 3
    wanted = {"size": 1, "token": Secret("hush-hush")}
    first = stage.do("apply").outcome
    assert (first.status, first.outputs) == (Status.SUCCEEDED, wanted), first.failures
    assert stage.do("apply").outcome.changes == Changes(same=3)
    assert stage.do("destroy").outcome.changes.delete == 3
    assert not stage.do("destroy").outcome.changes.any
