"""What can be asked about stacks? Make, look, list, export, import, tag, history, remove."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.model.errors import Refused
from orchestrator.model.stacks import Stack, StackName, StackVersion
from orchestrator.pulumi.service.answers import DONE, Reply, refusal
from orchestrator.pulumi.service.bodies import BadBody, texts
from orchestrator.pulumi.service.deployments import (
    ORGANIZATION,
    check_secrets,
    handed_out,
    taken_in,
)
from orchestrator.pulumi.service.states import Call, States

_STILL_FULL = "Bad Request: Stack still contains resources."  # what the CLI looks for


def project_exists(call: Call) -> Reply:
    project = call.name.project
    with call.states.store.read() as tx:
        known = any(stack.name.project == project for stack in tx.stacks())
    known = known or any(name.project == project for name in call.states.imagined)
    return Reply(200) if known else Reply(404)


def make(call: Call) -> Reply:
    name = StackName(call.name.project, str(call.body.get("stackName") or ""))
    if not name.name:
        raise BadBody("stackName is missing.")
    call.states.make(name, texts(call.body, "tags"))
    state = call.body.get("state")
    if isinstance(state, Mapping) and state.get("deployment"):
        call.states.put(name, taken_in(state))
    return Reply(200, {})


def one(call: Call) -> Reply:
    stack = call.states.stack(call.name)
    update = stack.update
    body: dict[str, Any] = {
        "id": str(stack.name),
        "orgName": ORGANIZATION,
        "projectName": stack.name.project,
        "stackName": stack.name.name,
        "activeUpdate": update.id if update else "",
        "tags": dict(stack.tags),
        "version": stack.version,
    }
    if update is not None:
        body["currentOperation"] = {
            "kind": update.kind,
            "author": str(update.by),
            "started": int(update.since.timestamp()),
        }
    return Reply(200, body)


def listed(states: States, query: Mapping[str, str]) -> Reply:
    """All stacks, or those of a project or with a tag."""
    with states.store.read() as tx:
        stacks = tx.stacks()
    return Reply(200, {"stacks": [_summary(s) for s in stacks if _is_wanted(s, query)]})


def export(call: Call) -> Reply:
    stack = call.states.stack(call.name)
    with call.states.store.read() as tx:
        content = tx.deployment(call.name, call.version)
    if content is None and call.version:
        return refusal(404, f"Version {call.version} of the stack {call.name} is not kept.")
    at = stack.changed_at
    return Reply(200, handed_out(content, call.name, url=call.states.url, at=at))


def import_(call: Call) -> Reply:
    """Refused where the state is not whole, or its secrets were encrypted by somebody else."""
    cipher = call.states.cipher(call.name)
    deployment = taken_in(call.body)
    check_secrets(call.body, cipher)
    update = call.states.put(call.name, deployment)
    return Reply(200, {"updateId": update.record.id})


def history(call: Call) -> Reply:
    call.states.stack(call.name)
    size, page = (_number(call.query.get(key)) for key in ("pageSize", "page"))
    with call.states.store.read() as tx:
        versions = tx.stack_versions(call.name)
    if size:
        start = max(page - 1, 0) * size
        versions = versions[start : start + size]
    return Reply(200, {"updates": [_info(version) for version in versions]})


def latest(call: Call) -> Reply:
    call.states.stack(call.name)
    with call.states.store.read() as tx:
        versions = tx.stack_versions(call.name, limit=1)
    if not versions:
        return refusal(404, f"The stack {call.name} was never updated.")
    return Reply(200, {"info": _info(versions[0])})


def tag(call: Call) -> Reply:
    call.states.may_write()
    with call.states.store.write() as tx:
        tx.tag_stack(call.name, call.states.writer, texts(call.body, ""))
    return DONE


def rename(call: Call) -> Reply:
    name = str(call.body.get("newName") or call.name.name)
    project = str(call.body.get("newProject") or call.name.project)
    call.states.stack(call.name)
    call.states.rename(call.name, StackName(project, name))
    return DONE


def remove(call: Call) -> Reply:
    stack = call.states.stack(call.name)
    if stack.resources and call.query.get("force") != "true":
        return refusal(400, _STILL_FULL)
    if call.name in call.states.imagined:
        raise Refused(f"There is no stack {call.name} yet.")
    call.states.remove(call.name)
    return DONE


def _summary(stack: Stack) -> dict[str, Any]:
    return {
        "id": str(stack.name),
        "orgName": ORGANIZATION,
        "projectName": stack.name.project,
        "stackName": stack.name.name,
        "lastUpdate": int(stack.changed_at.timestamp()) if stack.version else None,
        "resourceCount": stack.resources,
    }


def _is_wanted(stack: Stack, query: Mapping[str, str]) -> bool:
    if query.get("organization", ORGANIZATION) != ORGANIZATION:
        return False
    if query.get("project", stack.name.project) != stack.name.project:
        return False
    tag_name = query.get("tagName")
    if not tag_name:
        return True
    return (
        tag_name in stack.tags
        and query.get("tagValue", stack.tags[tag_name]) == (stack.tags[tag_name])
    )


def _info(version: StackVersion) -> dict[str, Any]:
    started = int(version.at.timestamp())
    return {
        "kind": version.kind,
        "startTime": started,
        "endTime": int(version.ended_at.timestamp()) if version.ended_at else started,
        "message": f"{version.run} {version.stage}".strip(),
        "environment": {},
        "config": {},
        "result": version.result,
        "version": version.version,
        "resourceChanges": {},
        "resourceCount": version.resources,
    }


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0
