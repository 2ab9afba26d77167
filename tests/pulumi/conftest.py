"""Stages to try Pulumi on."""

from collections.abc import Iterator
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

DYNAMIC = {  # resources that are files in the folder `world`
    "__main__.py": """\
import json, time
from collections.abc import Iterator
from pathlib import Path
import pulumi
from pulumi import dynamic


class Files(dynamic.ResourceProvider):
    def create(self, props):
        world = Path(props["world"])
        world.mkdir(exist_ok=True)
        if props.get("bad"):
            raise Exception("no room for " + props["name"])
        if props.get("slow"):
            (world / (props["name"] + ".begun")).write_text("")
            time.sleep(float(props["slow"]))
        (world / props["name"]).write_text(json.dumps(props["v"]))
        return dynamic.CreateResult(props["name"], {**props, "made": 1, "text": "made 1"})

    def read(self, id, props):
        path = Path(props["world"]) / id
        if not path.exists():
            return dynamic.ReadResult("", {})
        return dynamic.ReadResult(id, {**props, "v": json.loads(path.read_text())})

    def update(self, id, olds, news):
        (Path(news["world"]) / id).write_text(json.dumps(news["v"]))
        return dynamic.UpdateResult({**news, "made": 1, "text": "made 1"})

    def delete(self, id, props):
        (Path(props["world"]) / id).unlink()

    def diff(self, id, olds, news):
        return dynamic.DiffResult(changes=olds.get("v") != news.get("v"))


class File(dynamic.Resource):
    made: pulumi.Output[int]
    text: pulumi.Output[str]

    def __init__(self, name, **props):
        super().__init__(Files(), name, {"made": None, "text": None, "name": name, **props}, None)


config = pulumi.Config()
world, v = config.require("world"), config.get_int("v") or 1
a = File("a", world=world, v=v)
File("b", world=world, v=2, bad=config.get_bool("bad"), slow=config.get("slow"))
pulumi.export("made", a.made)
pulumi.export("text", a.text)
pulumi.export("v", v)
""",
}


both = pytest.mark.parametrize("stage", ["file", "builtin"], indirect=True)
"""Once with the state in a folder, once with it in the store."""


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A program of two modules that declares two components, one while it is imported."""
    builtin = getattr(request, "param", "file") == "builtin"
    stage = Stage(root=tmp_path, backend="builtin" if builtin else "")
    stage.write(PROGRAM)
    if builtin:
        assert stage.store
    yield stage
    if builtin:
        stage.store.close()
