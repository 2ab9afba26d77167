"""Which call of the Pulumi service API is answered by what? The API over the store, without HTTP.

For one operation of one attempt: whoever holds its token reads every stack of the store and writes
those of the attempt's environment, under the attempt's lease.
Source: pkg/backend/httpstate/client of Pulumi 3.259.0.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator.model.errors import OrchestratorError
from orchestrator.model.stacks import StackName, Writer
from orchestrator.ports import Store, Vault
from orchestrator.pulumi.service import secrets_api, stacks_api, updates_api
from orchestrator.pulumi.service.answers import Reply, refusal, refusal_of
from orchestrator.pulumi.service.bodies import read_object
from orchestrator.pulumi.service.deployments import ORGANIZATION
from orchestrator.pulumi.service.states import Call, States

USER = "orchestrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """path: without the query. body: unpacked."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    authorization: str = field(default="", repr=False)
    body: bytes = field(default=b"", repr=False)
    agent: str = ""  # the CLI's User-Agent


class StackService:
    """Answers one request after the other, whichever thread asks; never raises for a bad one."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        writer: Writer,
        now: Callable[[], datetime],
        base: int | None = None,
        only_looks: str = "",
    ) -> None:
        """base: the version that the first update must start from; None: any.

        only_looks: why nothing may be written.
        """
        self._turn = threading.Lock()
        self._over = False
        self.token = secrets.token_urlsafe(32)
        self.states = States(
            store=store,
            vault=vault,
            writer=writer,
            now=now,
            base=base,
            token=self.token,
            only_looks=only_looks,
        )

    def reply(self, request: Request) -> Reply:
        with self._turn:
            if self._over:
                return refusal(503, "The operation that this server was made for is over.")
            return self._reply(request)

    def stranger(self, authorization: str) -> Reply | None:
        """The answer to whoever has not this operation's token; None to who has."""
        if self._knows(authorization):
            return None
        return refusal(401, "This server was made for one operation; the token is not its own.")

    def close(self) -> None:
        """Nothing is answered any more, and no update of it is under way."""
        with self._turn:
            self._over = True
            self.states.close()

    def _reply(self, request: Request) -> Reply:
        if (stranger := self.stranger(request.authorization)) is not None:
            return stranger
        if (fixed := _FIXED.get((request.method, request.path))) is not None:
            return Reply(200, fixed)
        if (request.method, request.path) == ("GET", "/api/user/stacks"):
            return stacks_api.listed(self.states, request.query)
        for method, pattern, act in _ROUTES:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                return self._answered(act, match.groupdict(), request)
        return refusal(404, f"{request.method} {request.path} is not part of this server.")

    def _answered(
        self, act: Callable[[Call], Reply], found: Mapping[str, str], request: Request
    ) -> Reply:
        if found["org"] != ORGANIZATION:
            text = f"There is no organization {found['org']}; every stack is in {ORGANIZATION}."
            return refusal(404, text)
        try:
            call = Call(
                states=self.states,
                name=StackName(found["project"], found.get("stack") or ""),
                update=found.get("id") or "",
                kind=found.get("kind") or "",
                version=int(found.get("version") or 0),
                query=request.query,
                body=read_object(request.body),
                raw=request.body,
                agent=request.agent,
            )
            return act(call)
        except OrchestratorError as error:
            return refusal_of(error)

    def _knows(self, authorization: str) -> bool:
        """`token X` for stacks, `update-token X` within an update; ours is one for both."""
        kind, _, token = authorization.partition(" ")
        return kind in ("token", "update-token") and hmac.compare_digest(
            token.encode(), self.token.encode()
        )


_FIXED: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("GET", "/api/user"): {
        "id": USER,
        "githubLogin": USER,
        "name": USER,
        "email": "",
        "organizations": [{"githubLogin": ORGANIZATION, "name": ORGANIZATION}],
    },
    ("GET", "/api/user/organizations/default"): {"gitHubLogin": ORGANIZATION},
    ("GET", "/api/capabilities"): {
        "capabilities": [
            {"capability": "batch-encrypt", "version": 1},
            {
                "capability": "deployment-schema-version",
                "version": 1,
                "configuration": {"version": 4},
            },
        ]
    },
}

_STACK = "/api/stacks/(?P<org>[^/]+)/(?P<project>[^/]+)/(?P<stack>[^/]+)"
_UPDATE = _STACK + "/(?P<kind>update|preview|refresh|destroy)"
_ONE = _UPDATE + "/(?P<id>[^/]+)"
_ROUTES: tuple[tuple[str, re.Pattern[str], Callable[[Call], Reply]], ...] = tuple(
    (method, re.compile(path), act)
    for method, path, act in (
        ("PATCH", _ONE + "/journalentries", updates_api.journal),
        ("PATCH", _ONE + "/checkpoint", updates_api.checkpoint),
        ("PATCH", _ONE + "/checkpointverbatim", updates_api.checkpoint_verbatim),
        ("POST", _ONE + "/events/batch", updates_api.events),
        ("POST", _ONE + "/events", updates_api.events),
        ("POST", _ONE + "/renew_lease", updates_api.renew),
        ("POST", _ONE + "/complete", updates_api.complete),
        ("POST", _ONE + "/cancel", updates_api.cancel),
        ("POST", _ONE, updates_api.start),
        ("GET", _ONE, updates_api.status),
        ("POST", _UPDATE, updates_api.create),
        ("POST", _STACK + "/encrypt", secrets_api.encrypt),
        ("POST", _STACK + "/decrypt", secrets_api.decrypt),
        ("POST", _STACK + "/batch-encrypt", secrets_api.batch_encrypt),
        ("POST", _STACK + "/batch-decrypt", secrets_api.batch_decrypt),
        ("POST", _STACK + "/decrypt/log-decryption", secrets_api.noted),
        ("POST", _STACK + "/decrypt/log-batch-decryption", secrets_api.noted),
        ("GET", _STACK + "/export(/(?P<version>[0-9]{1,9}))?", stacks_api.export),
        ("POST", _STACK + "/import", stacks_api.import_),
        ("GET", _STACK + "/updates", stacks_api.history),
        ("GET", _STACK + "/updates/latest", stacks_api.latest),
        ("PATCH", _STACK + "/tags", stacks_api.tag),
        ("POST", _STACK + "/rename", stacks_api.rename),
        ("GET", _STACK, stacks_api.one),
        ("DELETE", _STACK, stacks_api.remove),
        ("HEAD", "/api/stacks/(?P<org>[^/]+)/(?P<project>[^/]+)", stacks_api.project_exists),
        ("POST", "/api/stacks/(?P<org>[^/]+)/(?P<project>[^/]+)", stacks_api.make),
    )
)
