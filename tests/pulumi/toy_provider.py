"""A provider whose resources are files and whose ids derive from URNs, as light hosts' do.

It answers for the plugin `lighthost`, so that what we know of that plugin's ids can be tried
without any light host. Installed into a PULUMI_HOME by `install`.
"""

import asyncio
import hashlib
import sys
from pathlib import Path

from pulumi.provider.experimental import provider as p
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import main

VERSION = "9.9.9"


def install(home: Path) -> None:
    """The plugin stands in that PULUMI_HOME."""
    path = home / "plugins" / f"resource-lighthost-v{VERSION}" / "pulumi-resource-lighthost"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
    path.chmod(0o755)


def _file(properties: dict[str, PropertyValue], id_: str) -> Path:
    return Path(str(properties["world"].value)) / id_


class Toy(p.Provider):
    async def get_schema(self, request: p.GetSchemaRequest) -> p.GetSchemaResponse:  # noqa: ARG002
        return p.GetSchemaResponse("{}")

    async def configure(self, request: p.ConfigureRequest) -> p.ConfigureResponse:  # noqa: ARG002
        return p.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check_config(self, request: p.CheckRequest) -> p.CheckResponse:
        return p.CheckResponse(inputs=request.new_inputs)

    async def check(self, request: p.CheckRequest) -> p.CheckResponse:
        return p.CheckResponse(inputs=request.new_inputs)

    async def diff(self, request: p.DiffRequest) -> p.DiffResponse:  # noqa: ARG002
        return p.DiffResponse(changes=False)

    async def create(self, request: p.CreateRequest) -> p.CreateResponse:
        id_ = "host-" + hashlib.sha256(request.urn.encode()).hexdigest()[:12]
        if not request.preview:
            path = _file(request.properties, id_)
            path.with_name(path.name + f".begun-{len(list(path.parent.iterdir()))}").touch()
            if path.exists():
                path.with_name(path.name + ".twice").touch()
            if "early" in request.properties:  # killed before it exists
                await asyncio.sleep(60)
            if "until" in request.properties:  # goes on when the test lets it
                go = Path(str(request.properties["until"].value))
                while not go.exists():
                    await asyncio.sleep(0.02)
            path.touch()
            if "slow" in request.properties:  # killed after
                await asyncio.sleep(60)
        return p.CreateResponse(resource_id=id_, properties=request.properties)

    async def read(self, request: p.ReadRequest) -> p.ReadResponse:
        world = Path(__import__("os").environ["TOY_WORLD"])
        if not (world / request.resource_id).exists():
            return p.ReadResponse()
        found = {"world": PropertyValue(str(world))}
        return p.ReadResponse(resource_id=request.resource_id, properties=found, inputs=found)

    async def delete(self, request: p.DeleteRequest) -> None:
        _file(request.properties, request.resource_id).unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:], VERSION, Toy())
