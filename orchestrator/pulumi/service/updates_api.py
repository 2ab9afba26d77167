"""How does an update go? Created, started, written at each step, completed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.pulumi.service.answers import DONE, Reply, refusal
from orchestrator.pulumi.service.bodies import BadBody, texts
from orchestrator.pulumi.service.entries import JOURNAL, batch_of
from orchestrator.pulumi.service.states import Call, Update

WHOLE_CHECKPOINTS = 0  # the API's journalVersion; else entries.JOURNAL


def create(call: Call) -> Reply:
    call.states.stack(call.name)
    options = call.body.get("options")
    dry = isinstance(options, Mapping) and bool(options.get("dryRun"))
    update = call.states.created(call.name, call.kind, preview=dry or call.kind == "preview")
    return Reply(200, {"updateID": update.record.id})


def start(call: Call) -> Reply:
    update = call.the_update()
    call.states.begin(update, texts(call.body, "tags"))
    journal = JOURNAL if call.body.get("journalVersion") == JOURNAL else WHOLE_CHECKPOINTS
    body: dict[str, Any] = {"version": update.version, "journalVersion": journal}
    return Reply(200, body | _token(call, update))


def checkpoint(call: Call) -> Reply:
    call.states.save(call.the_update(), call.body, call.raw)
    return DONE


def checkpoint_verbatim(call: Call) -> Reply:
    body = call.body.get("untypedDeployment")
    if not isinstance(body, Mapping):
        raise BadBody("untypedDeployment is missing.")
    call.states.save(call.the_update(), body)
    return DONE


def journal(call: Call) -> Reply:
    call.states.add(call.the_update(), batch_of(call.body, agent=call.agent))
    return DONE


def events(call: Call) -> Reply:
    """Accepted and let go: the attempt hears them from the CLI's own event log."""
    call.the_update()
    return DONE


def renew(call: Call) -> Reply:
    update = call.the_update()
    call.states.renew(update)
    return Reply(200, _token(call, update))


def complete(call: Call) -> Reply:
    call.states.end(call.the_update(), str(call.body.get("status") or "failed"))
    return DONE


def cancel(_: Call) -> Reply:
    return refusal(409, "An update is cancelled through the orchestrator: orchestrator cancel RUN.")


def status(call: Call) -> Reply:
    return Reply(200, {"status": call.the_update().status, "events": []})


def _token(call: Call, update: Update) -> dict[str, Any]:
    expires = int(update.record.until.timestamp())
    return {"token": call.states.token, "tokenExpiration": expires}
