"""A provider whose resources do all that one can meet: replaced, changed by hand, failing, slow.

Things are files of the folder VARIED_WORLD. Ids count what was ever made there of a name, so that
the same acts give the same ids. What is to fail next is a file `fails-<act>-<name>`, and what is to
hang `hangs-<act>-<name>`.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from pulumi.provider.experimental import provider as p
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import main

VERSION = "9.9.9"
NAMES = ("value", "key", "other", "dbr", "link")
SCHEMA = {
    "name": "varied",
    "version": VERSION,
    "resources": {
        "varied:index:Thing": {
            "inputProperties": {name: {"type": "string"} for name in NAMES},
            "properties": {name: {"type": "string"} for name in (*NAMES, "made")},
        }
    },
}

Properties = dict[str, PropertyValue]


def install(home: Path) -> None:
    """The plugin stands in that PULUMI_HOME."""
    path = home / "plugins" / f"resource-varied-v{VERSION}" / "pulumi-resource-varied"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
    path.chmod(0o755)


def _world() -> Path:
    return Path(os.environ["VARIED_WORLD"])


def _texts(properties: Properties) -> dict[str, str]:
    found = {name: properties[name].value for name in NAMES if name in properties}
    return {name: value for name, value in found.items() if isinstance(value, str)}


async def _may_fail(act: str, urn: str) -> None:
    name = urn.rpartition("::")[2]
    if (_world() / f"fails-{act}-{name}").exists():
        raise Exception(f"{act} of {name} was to fail")  # as providers do
    if (_world() / f"hangs-{act}-{name}").exists():
        (_world() / f"hanging-{name}").touch()
        await asyncio.sleep(600)


class Varied(p.Provider):
    async def get_schema(self, request: p.GetSchemaRequest) -> p.GetSchemaResponse:  # noqa: ARG002
        return p.GetSchemaResponse(json.dumps(SCHEMA))

    async def configure(self, request: p.ConfigureRequest) -> p.ConfigureResponse:  # noqa: ARG002
        return p.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check_config(self, request: p.CheckRequest) -> p.CheckResponse:
        return p.CheckResponse(inputs=request.new_inputs)

    async def check(self, request: p.CheckRequest) -> p.CheckResponse:
        return p.CheckResponse(inputs=request.new_inputs)

    async def diff(self, request: p.DiffRequest) -> p.DiffResponse:
        old, new = _texts(request.old_state), _texts(request.new_inputs)
        changed = [name for name in NAMES if old.get(name) != new.get(name)]
        return p.DiffResponse(
            changes=bool(changed),
            diffs=changed,
            replaces=[name for name in changed if name == "key"],
            delete_before_replace=new.get("dbr") == "yes",
        )

    async def create(self, request: p.CreateRequest) -> p.CreateResponse:
        if request.preview:
            return p.CreateResponse(resource_id="", properties=request.properties)
        await _may_fail("create", request.urn)
        name = request.urn.rpartition("::")[2]
        count = len(list(_world().glob(f"made-{name}-*")))
        (_world() / f"made-{name}-{count}").touch()
        id_ = f"thing-{name}-{count}"
        (_world() / id_).write_text(json.dumps(_texts(request.properties)))
        return p.CreateResponse(
            resource_id=id_, properties={**request.properties, "made": PropertyValue(id_)}
        )

    async def update(self, request: p.UpdateRequest) -> p.UpdateResponse:
        if request.preview:
            return p.UpdateResponse(properties=request.news)
        await _may_fail("update", request.urn)
        (_world() / request.resource_id).write_text(json.dumps(_texts(request.news)))
        made = PropertyValue(request.resource_id)
        return p.UpdateResponse(properties={**request.news, "made": made})

    async def read(self, request: p.ReadRequest) -> p.ReadResponse:
        path = _world() / request.resource_id
        if not path.exists():
            return p.ReadResponse()
        found = {name: PropertyValue(value) for name, value in json.loads(path.read_text()).items()}
        return p.ReadResponse(
            resource_id=request.resource_id,
            properties={**found, "made": PropertyValue(request.resource_id)},
            inputs=found,
        )

    async def delete(self, request: p.DeleteRequest) -> None:
        await _may_fail("delete", request.urn)
        (_world() / request.resource_id).unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:], VERSION, Varied())
