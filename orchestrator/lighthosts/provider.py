"""How does Pulumi reach light hosts? The plugin process: `pulumi-resource-lighthost ENGINE`.

Prints its port, serves the provider protocol on 127.0.0.1, and ends when its engine does. Speaks
the protocol itself instead of through pulumi.provider.experimental: that loads all of Pulumi
(0.28 s per start) and turns every refusal into a traceback.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import grpc

from . import VERSION
from .errors import BadRequest, LightHostError
from .places import places
from .protocol import (
    UNKNOWN,
    empty_pb2,
    plugin_pb2,
    properties_of,
    provider_pb2,
    provider_pb2_grpc,
    secret,
    struct_of,
)
from .provided import Found, Provided, id_of, provided
from .schema import schema

_WIDTH = 32  # hosts wait for their boot, not for us
_STABLE = ("address", "hostname", "network", "sshPort", "hostKey")


class LightHosts(provider_pb2_grpc.ResourceProviderServicer):
    """The provider protocol over `provided`: one method per call, named by the protocol."""

    @cached_property
    def _types(self) -> dict[str, Provided]:
        return provided(places(), unknown=UNKNOWN)  # late: what is wrong is said at a resource

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        del request, context
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:
        del request, context
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema()))

    def CheckConfig(self, request: Any, context: Any) -> Any:
        del context
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        del request, context
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        del request, context
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:
        del request, context  # whatever is half-made is made anew or taken away later
        return empty_pb2.Empty()

    def Check(self, request: Any, context: Any) -> Any:
        def act() -> Any:
            kind, name = self._kind(request.urn), request.urn.rpartition("::")[2]
            inputs, failures = kind.check(name, properties_of(request.news))
            return provider_pb2.CheckResponse(
                inputs=struct_of(inputs),
                failures=[
                    provider_pb2.CheckFailure(property=where, reason=why)
                    for where, why in failures.items()
                ],
            )

        return _answered(act, context)

    def Diff(self, request: Any, context: Any) -> Any:
        def act() -> Any:
            old, new = properties_of(request.olds), properties_of(request.news)
            change = self._kind(request.urn).diff(old, new)
            return _diff_response(change.update, change.replace)

        return _answered(act, context)

    def Create(self, request: Any, context: Any) -> Any:
        def act() -> Any:
            kind = self._kind(request.urn)
            id_ = id_of(kind.prefix, request.urn)
            found = kind.create(id_, properties_of(request.properties), preview=request.preview)
            return provider_pb2.CreateResponse(id=id_, properties=_outputs(found))

        return _answered(act, context)

    def Read(self, request: Any, context: Any) -> Any:
        def act() -> Any:
            found = self._kind(request.urn).read(request.id)
            if found is None:
                return provider_pb2.ReadResponse()  # no id: it is gone
            return provider_pb2.ReadResponse(
                id=request.id, properties=_outputs(found), inputs=struct_of(found.inputs)
            )

        return _answered(act, context)

    def Update(self, request: Any, context: Any) -> Any:
        def act() -> Any:
            new = properties_of(request.news)
            found = self._kind(request.urn).update(request.id, new, preview=request.preview)
            return provider_pb2.UpdateResponse(properties=_outputs(found))

        return _answered(act, context)

    def Delete(self, request: Any, context: Any) -> Any:
        def act() -> Any:
            self._kind(request.urn).delete(request.id)
            return empty_pb2.Empty()

        return _answered(act, context)

    def _kind(self, urn: str) -> Provided:
        token = urn.split("::")[-2].rpartition("$")[2]
        if token not in self._types:
            raise BadRequest(f"no resource type {token}", then=f"known: {', '.join(self._types)}")
        return self._types[token]


def main() -> None:
    """Serve until the engine that started us is gone."""
    engine = os.getppid()  # first of all: it may die while we start
    server = grpc.server(ThreadPoolExecutor(max_workers=_WIDTH))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(LightHosts(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while os.getppid() == engine:
        time.sleep(0.5)
    os._exit(0)  # at once, whatever is under way: a killed engine must leave no provider behind


def _answered(act: Callable[[], Any], context: Any) -> Any:
    """The act's answer; its error becomes the text that Pulumi prints at the resource."""
    try:
        return act()
    except LightHostError as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
    except Exception:  # noqa: BLE001 - our bug: gRPC would hide where it is
        context.abort(grpc.StatusCode.INTERNAL, traceback.format_exc())


def _outputs(found: Found) -> Any:
    marked = {name: secret(found.outputs[name]) for name in found.secrets}
    return struct_of(found.outputs | marked)


def _diff_response(update: tuple[str, ...], replace: tuple[str, ...]) -> Any:
    kinds = provider_pb2.PropertyDiff
    detailed = {name: kinds(kind=kinds.UPDATE, inputDiff=name != "state") for name in update}
    detailed |= {name: kinds(kind=kinds.UPDATE_REPLACE, inputDiff=True) for name in replace}
    answer = provider_pb2.DiffResponse
    return answer(
        changes=answer.DIFF_SOME if detailed else answer.DIFF_NONE,
        replaces=replace,
        diffs=[*update, *replace],
        stables=() if replace else _STABLE,
        deleteBeforeReplace=True,
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )


if __name__ == "__main__":
    main()
