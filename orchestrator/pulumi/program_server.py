"""How does Pulumi's engine get a Python program run? This is the language host, served by us.

The CLI dials it by `--client`. Each Run starts a fresh interpreter: a program run twice in one
interpreter (preview, then update) declares nothing the second time for modules stay imported, and
the engine deletes what is missing. Source: sdk/proto language.proto; sdk/python's langhost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from orchestrator.pulumi.failures import PROGRAM_ENDED
from orchestrator.pulumi.running import OnLine, ProgramOrder, Running

SHOWN_ALREADY = 32  # the exec script's exit code once it has reported its error itself
MESSAGE_LIMIT = 400 * 1024 * 1024  # bytes; as the engine's own


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramSource:
    """How this stage's programs are run. start: begins one; script: pulumi-language-python-exec."""

    start: Callable[[ProgramOrder], Running]
    script: Path
    interpreter: Path
    env: Mapping[str, str] = field(repr=False)
    on_line: OnLine


@contextmanager
def serving(source: ProgramSource) -> Iterator[str]:
    """The address of a language host on loopback, until the block ends; programs end with it."""
    server = grpc.server(
        ThreadPoolExecutor(max_workers=4),
        options=[
            ("grpc.max_receive_message_length", MESSAGE_LIMIT),
            ("grpc.max_send_message_length", MESSAGE_LIMIT),
            ("grpc.so_reuseport", 0),
        ],
    )
    host = _LanguageHost(source)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        host.end_programs()
        server.stop(grace=None).wait()


class _LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine; names of methods are gRPC's."""

    def __init__(self, source: ProgramSource) -> None:
        self._source = source
        self._running: list[Running] = []

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        return plugin_pb2.PluginInfo(version="1.0.0")

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        return language_pb2.GetRequiredPackagesResponse()

    def About(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        return language_pb2.AboutResponse(executable=str(self._source.interpreter))

    def Run(self, request: Any, context: Any) -> Any:
        order = order_of(request, self._source)
        try:
            program = self._source.start(order)
        except OSError as error:
            return language_pb2.RunResponse(
                error=f"{self._source.interpreter} cannot be started: {error}"
            )
        self._running.append(program)
        context.add_callback(program.kill)  # also called at a usual end, when it does nothing
        code = program.listen(self._source.on_line)
        if code in (0, SHOWN_ALREADY):
            return language_pb2.RunResponse(bail=code == SHOWN_ALREADY)
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        return language_pb2.RunResponse(error=f"{PROGRAM_ENDED} {how}")

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        from google.protobuf import empty_pb2

        self.end_programs()
        return empty_pb2.Empty()

    def end_programs(self) -> None:
        for program in self._running:
            program.kill()


def order_of(request: Any, source: ProgramSource) -> ProgramOrder:
    """The exec script's command line for a Run request; config goes by environment, not argv."""
    root = request.info.root_directory or request.pwd
    folder = request.info.program_directory or request.pwd
    argv = [str(source.script), "--project", request.project, "--stack", request.stack]
    argv += ["--monitor", request.monitor_address, "--engine", request.args[0]]
    argv += ["--parallel", str(request.parallel), "--organization", request.organization]
    argv += ["--root_directory", root]
    if request.dryRun:
        argv += ["--dry_run", "true"]
    argv.append(os.path.normpath(os.path.join(folder, request.info.entry_point or ".")))
    return ProgramOrder(
        argv=tuple(argv),
        env={
            **source.env,
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        },
        directory=Path(request.pwd or folder),
    )
