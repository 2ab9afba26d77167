"""Do the pure parts keep their promises: config, encryption, outputs, pending creates, texts?"""

import hashlib
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model.errors import DefinitionError, SecretError, ToolError
from orchestrator.model.types import parse_type
from orchestrator.model.values import Secret
from orchestrator.pulumi import passphrase
from orchestrator.pulumi.config import config_value, settings
from orchestrator.pulumi.environment import cli_env, program_env
from orchestrator.pulumi.failures import told_plainly
from orchestrator.pulumi.file_backend import FileStack, file_stack
from orchestrator.pulumi.outputs import (
    SECRET_MARK,
    SIGNATURE,
    UNKNOWN,
    exposed,
    typed_outputs,
    wanted_secrets,
)
from orchestrator.pulumi.pending import adopted, advice, derived_id, pending_in
from orchestrator.pulumi.project import interpreter_of, read_program, stack_settings
from tests.pulumi.attempt import read_yaml

URN = "urn:pulumi:dev::site::site:parts:Part$lighthost:index:Host::web-1"
OTHER = "urn:pulumi:dev::site::aws:s3/bucket:Bucket::logs"
PROVIDER = "urn:pulumi:dev::site::pulumi:providers:lighthost::default_0_1_0"
MASKED = {SIGNATURE: SECRET_MARK, "ciphertext": "[secret]"}


def test_config_lies_over_the_project_s_own_file() -> None:
    """The base keeps what the stage does not name; keys without a namespace are the project's."""
    base = {"encryptionsalt": "old", "config": {"site:a": "1", "aws:region": "x"}}
    body = settings(base, {"a": 2, "aws:region": "y"}, project="site", salt="s", encrypt=str)
    assert body == {"encryptionsalt": "s", "config": {"site:a": "2", "aws:region": "y"}}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "true"),
        (3, "3"),
        (0.5, "0.5"),
        ("yes", "yes"),
        (["a", 1], ["a", 1]),
        ({"a": {"b": False}}, {"a": {"b": False}}),
        (Secret("x"), {"secure": "<x>"}),
        (Secret({"a": 1}), {"secure": '<{"a": 1}>'}),
        ({"a": Secret({"b": [1]})}, {"a": {"b": [{"secure": "<1>"}]}}),
    ],
)
def test_config_values(value: Any, written: Any) -> None:
    """Scalars are text, structures stay, and every secret is sealed."""
    assert config_value(value, lambda text: f"<{text}>") == written


def test_what_is_encrypted_can_be_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A salt opens with its passphrase only, and the cipher with it."""
    monkeypatch.setattr(passphrase, "ROUNDS", 10)
    cipher = passphrase.new_cipher("one")
    again = passphrase.open_cipher("one", cipher.salt)
    assert again.decrypt(cipher.encrypt("größer")) == "größer"
    with pytest.raises(SecretError, match="passphrase"):
        passphrase.open_cipher("two", cipher.salt)
    with pytest.raises(SecretError):
        passphrase.open_cipher("one", "v2:x:y")
    assert "key" not in repr(cipher)


def test_outputs_by_declared_type() -> None:
    """Secret where declared so, at any depth; unknown and undeclared ones are left out."""
    declared = {
        "a": parse_type("int"),
        "s": parse_type("secret(string)"),
        "m": parse_type("map(secret(string))"),
        "u": parse_type("string"),
    }
    shown = {"a": 1, "s": MASKED, "m": {"k": MASKED}, "u": UNKNOWN, "other": 2}
    assert wanted_secrets(shown, declared) == ("s", "m")
    assert typed_outputs(shown, declared, {}) == {"a": 1}
    revealed = {"s": "x", "m": {"k": "y"}}
    assert typed_outputs(shown, declared, revealed) == {
        "a": 1,
        "s": Secret("x"),
        "m": {"k": Secret("y")},
    }


def test_a_secret_declared_open_is_named() -> None:
    """Also where only a part of the value is secret."""
    declared = {"o": parse_type("object"), "n": parse_type("string")}
    assert exposed({"o": {"deep": [MASKED]}, "n": "x"}, declared) == ("o",)


STACK = "urn:pulumi:dev::site::pulumi:pulumi:Stack::site-dev"
UNFINISHED = {"type": "creating", "resource": {"urn": OTHER, "custom": True}}


def test_ids_derived_from_urns() -> None:
    """Light hosts are found by their URN; of other providers nothing is guessed."""
    assert derived_id(URN) == "host-" + hashlib.sha256(URN.encode()).hexdigest()[:12]
    assert derived_id(OTHER) == ""


def test_unfinished_creates_are_adopted() -> None:
    """An unfinished create whose id is known becomes a resource of the state, once."""
    inputs = {"size": 1}
    deployment = {
        "manifest": {},
        "resources": [{"urn": "root"}],
        "pending_operations": [
            {"type": "creating", "resource": {"urn": URN, "custom": True, "inputs": inputs}},
            {"type": "deleting", "resource": {"urn": "x", "custom": True}},
            {"type": "creating", "resource": {"urn": PROVIDER, "custom": True}},
            {"type": "creating", "resource": {"urn": STACK, "custom": False}},
        ],
    }
    pending = pending_in(deployment)
    assert (len(pending.ids), pending.unknown, pending.inner, pending.others) == (1, (), 2, 1)
    state = adopted(deployment, pending)
    assert [r["urn"] for r in state["resources"]] == ["root", URN]
    assert state["resources"][1]["id"] == derived_id(URN)
    assert state["resources"][1]["outputs"] == inputs
    assert not pending_in(state).any


def test_uncertain_creates_are_told_to_a_person() -> None:
    """Creates of other providers are never cleared by us; both commands are named."""
    deployment = {"pending_operations": [UNFINISHED]}
    text = advice(pending_in(deployment), "organization/site/dev")
    assert "1 resource may or may not exist: aws:s3/bucket:Bucket logs" in text
    assert "pulumi import --stack organization/site/dev" in text
    assert "--clear-pending-creates" in text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (
            "error: no resource plugin 'pulumi-resource-aws' found in the workspace at version "
            "v6.1.0 or on your $PATH",
            "pulumi plugin install resource aws 6.1.0",
        ),
        (
            "error: Could not automatically download and install resource plugin "
            "'pulumi-resource-lighthost' at version v0.1.0, install the plugin using …",
            "Bring it with 'orchestrator doctor --fix'",
        ),
        ("error: the stack is currently locked by 1 lock(s)", "Another process holds this stack"),
        ("error: constructing secrets manager: incorrect passphrase", "PULUMI_CONFIG_PASSPHRASE"),
        ("error: PULUMI_ACCESS_TOKEN must be set for login", "credentials: pulumi"),
        ("Missing required configuration variable 'site:a'", "'config'"),
    ],
)
def test_known_troubles_come_with_advice(text: str, part: str) -> None:
    """What can be done is said beside what is wrong, and the prefix is gone."""
    plain = told_plainly(text)
    assert part in plain
    assert not plain.startswith("error")


def test_prefixes_of_layers_are_taken_off() -> None:
    """Only what the provider itself said is left."""
    text = "rpc error: code = Unknown desc = Exception calling application: no room"
    assert told_plainly(text) == "no room"


def test_environments_pass_only_what_is_listed(tmp_path: Path) -> None:
    """The CLI gets its backend and passphrase, the program neither; ours passes to nobody."""
    outer = {"PATH": "/bin", "HOME": "/h", "DATABASE_URL": "x", "PULUMI_ACCESS_TOKEN": "t"}
    credentials = {"KEY": "k", "PULUMI_CONFIG_PASSPHRASE": "own"}
    cli = cli_env(
        outer,
        credentials=credentials,
        backend="file:///b",
        passphrase="own",
        interpreter=tmp_path,
        acquire_plugins=False,
        access={},
    )
    program = program_env(outer, credentials=credentials, interpreter=tmp_path, mark="m")
    assert cli["PULUMI_BACKEND_URL"] == "file:///b?metadata=skip"
    assert cli["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    assert {"DATABASE_URL", "PULUMI_ACCESS_TOKEN"}.isdisjoint([*cli, *program])
    assert program["KEY"] == "k"
    assert not [name for name in program if name.startswith("PULUMI")]


def test_only_dead_locks_of_this_machine_go(tmp_path: Path) -> None:
    """A lock goes if its process is gone or is no Pulumi, and what it left half written with it."""
    stack = FileStack(root=tmp_path, project="site", stack="dev")
    folder = tmp_path / ".pulumi/locks/organization/site/dev"
    folder.mkdir(parents=True)
    here = socket.gethostname()
    for name, pid, host in (("gone", 2**22 - 1, here), ("reused", os.getpid(), here)):
        _lock(folder / f"{name}.json", pid, host)
    _lock(folder / "elsewhere.json", 2**22 - 1, "elsewhere")
    (folder / "torn.json").write_text("{")
    stacks = tmp_path / ".pulumi/stacks/site"
    stacks.mkdir(parents=True)
    for name, text in (("dev.json", "{}"), ("dev.json.attrs", ""), ("dev.json.1.tmp", "{")):
        (stacks / name).write_text(text)
    assert len(stack.remove_dead_locks()) == 2
    assert [path.name for path in stacks.iterdir()] == ["dev.json"]
    assert {path.name for path in folder.iterdir()} == {"elsewhere.json", "torn.json"}


def test_the_lock_of_a_zombie_is_that_of_a_dead_one(tmp_path: Path) -> None:
    """A killed CLI keeps its name until it is reaped; its lock holds up nobody meanwhile."""
    stack = FileStack(root=tmp_path, project="site", stack="dev")
    folder = tmp_path / ".pulumi/locks/organization/site/dev"
    folder.mkdir(parents=True)
    program = tmp_path / "pulumi"
    program.write_bytes(Path("/bin/cat").read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([program], stdin=subprocess.PIPE) as cli:
        _lock(folder / "l.json", cli.pid, socket.gethostname())
        assert stack.remove_dead_locks() == ()
        cli.kill()
        os.waitid(os.P_PID, cli.pid, os.WEXITED | os.WNOWAIT)  # dead, and not reaped
        assert len(stack.remove_dead_locks()) == 1


def test_stack_is_made_once_and_unmade_only_while_empty(tmp_path: Path) -> None:
    """A stack that something was written to is never taken away again."""
    stack = FileStack(root=tmp_path, project="site", stack="dev")
    stack.make()
    stack.make()
    assert stack.deployment() == {}
    path = stack.checkpoint
    assert path is not None
    stack.unmake()
    assert not path.exists()
    stack.make()
    path.write_text(json.dumps({"checkpoint": {"latest": {"manifest": {}}}}))
    stack.unmake()
    assert path.exists()


def test_only_folders_are_looked_into(tmp_path: Path) -> None:
    """Other backends are asked through the CLI."""
    place = file_stack(f"file://{tmp_path}?metadata=skip", "site", "dev")
    assert place is not None
    assert place.root == tmp_path
    assert file_stack("s3://bucket", "site", "dev") is None


def test_project_files(tmp_path: Path) -> None:
    """Name, runtime and virtualenv are read; what is wrong is said with its file."""
    folder = tmp_path / "stacks" / "site"
    folder.mkdir(parents=True)
    with pytest.raises(DefinitionError, match="no Pulumi project"):
        read_program(tmp_path, "stacks/site", read_yaml)
    file = folder / "Pulumi.yaml"
    file.write_text("name: site\n")
    with pytest.raises(DefinitionError, match=r"stacks/site/Pulumi\.yaml"):
        read_program(tmp_path, "stacks/site", read_yaml)
    file.write_text("name: site\nruntime:\n  name: python\n  options: {virtualenv: env}\n")
    program = read_program(tmp_path, "stacks/site", read_yaml)
    assert (program.name, program.is_python) == ("site", True)
    with pytest.raises(ToolError, match="env"):
        interpreter_of(program, "", (tmp_path,))
    python = folder / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert interpreter_of(program, "", (tmp_path,)) == python
    assert interpreter_of(program, "stacks/site/env/bin/python", (tmp_path,)) == python
    (folder / "Pulumi.dev.yaml").write_text("[]\n")
    assert stack_settings(program, "dev", read_yaml) == {}
    (folder / "Pulumi.dev.yaml").write_text("config: 1\n")
    with pytest.raises(DefinitionError, match="map"):
        stack_settings(program, "dev", read_yaml)


def _lock(path: Path, pid: int, host: str) -> None:
    body = {"pid": pid, "username": "ana", "hostname": host, "timestamp": "2026-01-01T00:00:00Z"}
    path.write_text(json.dumps(body))
