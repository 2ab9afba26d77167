"""Stages to try Pulumi on."""

from pathlib import Path

import pytest

from tests.pulumi.stage import Stage

PROGRAM = {
    "Pulumi.yaml": "name: site\nruntime: python\n",
    "__main__.py": """\
import pulumi
import parts

print("hello from the program")
config = pulumi.Config()
parts.Part("second")
pulumi.export("size", config.get_int("size") or 1)
pulumi.export("address", "10.0.0.1")
pulumi.export("token", pulumi.Output.secret("hush-hush"))
""",
    "parts.py": """\
import pulumi

class Part(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("site:parts:Part", name)
        self.register_outputs({})

Part("first")
""",
}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A program of two modules that declares two components, one while it is imported."""
    stage = Stage(root=tmp_path)
    stage.write(PROGRAM)
    return stage
