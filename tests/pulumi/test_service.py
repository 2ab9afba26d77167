"""Does the service answer as the CLI needs it, and refuse what is not right? Without the CLI."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model.stacks import StackName, Writer
from orchestrator.pulumi.outputs import SECRET_MARK, SIGNATURE
from orchestrator.pulumi.service import bodies, server
from orchestrator.pulumi.service.answers import Reply
from orchestrator.pulumi.service.cipher import StackCipher
from orchestrator.pulumi.service.server import served
from orchestrator.pulumi.service.service import Request, StackService
from orchestrator.store.opening import memory_store
from orchestrator.store.store import DatabaseStore
from orchestrator.trust.vault import Keys, StoreVault
from tests.store.samples import AT

STACK = "/api/stacks/organization/site/dev"
ROOT = {"urn": "urn:pulumi:dev::site::pulumi:pulumi:Stack::site-dev", "type": "pulumi:pulumi:Stack"}


@pytest.fixture
def store() -> Iterator[DatabaseStore]:
    made = memory_store("site-1")
    yield made
    made.close()


@pytest.fixture
def service(store: DatabaseStore, tmp_path: Path) -> StackService:
    """With an empty stack site/dev."""
    with store.write() as tx:
        lease = tx.take_lease("site", "dev", owner="ana", purpose="run dev#1", at=AT)
    writer = Writer(
        pipeline="site", environment="dev", token=lease.token, run="dev#1", stage="s", attempt=1
    )
    vault = StoreVault(Keys.create(tmp_path / "keys.json"))
    made = StackService(store=store, vault=vault, writer=writer, now=lambda: AT)
    assert call(made, "POST", "/api/stacks/organization/site", {"stackName": "dev"}).status == 200
    return made


def call(
    service: StackService, method: str, path: str, body: Any = None, raw: str = "", **query: str
) -> Reply:
    return service.reply(
        Request(
            method=method,
            path=path,
            query=query,
            authorization=f"token {service.token}",
            body=json.dumps(body).encode() if body is not None else raw.encode(),
        )
    )


def body_of(reply: Reply) -> Mapping[str, Any]:
    assert reply.status == 200, reply
    assert reply.body is not None
    return reply.body


def refused(reply: Reply, status: int) -> str:
    assert reply.status == status, reply
    assert reply.body is not None
    return str(reply.body["message"])


def state(*resources: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": 3, "deployment": {"manifest": {}, "resources": list(resources), **more}}


def begun(service: StackService) -> str:
    """The path of an update under way."""
    update = body_of(call(service, "POST", f"{STACK}/update", {}))["updateID"]
    path = f"{STACK}/update/{update}"
    assert call(service, "POST", path, {}).status == 200
    return path


def test_a_foreign_token_is_refused(service: StackService) -> None:
    """Without the operation's own token nothing is answered."""
    for given in ("", "token x", f"basic {service.token}", "update-token"):
        request = Request(method="GET", path=STACK, authorization=given)
        assert "token" in refused(service.reply(request), 401)


def test_an_update_is_written_and_comes_back(service: StackService) -> None:
    """What was saved last is exported, with its counts and a history."""
    path = begun(service)
    operation = {"type": "creating", "resource": ROOT}
    pending = state(ROOT, pending_operations=[operation])
    assert call(service, "PATCH", f"{path}/checkpoint", pending).status == 204
    stack = service.states.stack(StackName("site", "dev"))
    assert (stack.resources, stack.pending) == (1, 1)
    assert call(service, "PATCH", f"{path}/checkpoint", state(ROOT)).status == 204
    assert call(service, "POST", f"{path}/complete", {"status": "succeeded"}).status == 204
    exported = body_of(call(service, "GET", f"{STACK}/export"))
    assert exported["deployment"]["resources"] == [ROOT]
    (info,) = body_of(call(service, "GET", f"{STACK}/updates"))["updates"]
    assert (info["result"], info["version"], info["resourceCount"]) == ("succeeded", 1, 1)


def test_the_address_of_the_server_is_not_kept(service: StackService, store: DatabaseStore) -> None:
    """It is put in at each export, as it is then, and taken out at each intake."""
    provider = {"type": "service", "state": {"url": "http://127.0.0.1:4711", "stack": "dev"}}
    path = begun(service)
    call(service, "PATCH", f"{path}/checkpoint", state(ROOT, secrets_providers=provider))
    with store.read() as tx:
        content = tx.deployment(StackName("site", "dev"))
    assert content is not None
    assert b"4711" not in content
    service.states.url = "http://127.0.0.1:1234"
    exported = body_of(call(service, "GET", f"{STACK}/export"))["deployment"]
    assert exported["secrets_providers"]["state"] == {
        "url": "http://127.0.0.1:1234",
        "owner": "organization",
        "project": "site",
        "stack": "dev",
    }


def test_a_checkpoint_as_the_cli_writes_it(service: StackService, store: DatabaseStore) -> None:
    """Kept as it came, but for the server's URL and the time: equal states are kept once."""
    service.states.url = url = "http://127.0.0.1:4711"
    provider = {"type": "service", "state": {"url": url, "owner": "organization"}}
    contents = []
    for hour in ("10", "11"):
        manifest = {"time": f"2026-11-25T{hour}:00:00Z", "magic": "m", "version": "v3"}
        deployment = {"manifest": manifest, "secrets_providers": provider, "resources": [ROOT]}
        body = {"isInvalid": False, "version": 3, "deployment": deployment}
        path = begun(service)
        raw = json.dumps(body, separators=(",", ":"))
        assert call(service, "PATCH", f"{path}/checkpoint", raw=raw).status == 204
        assert call(service, "POST", f"{path}/complete", {"status": "succeeded"}).status == 204
        with store.read() as tx:
            contents.append(tx.deployment(StackName("site", "dev")))
    assert contents[0] == contents[1]
    assert b"4711" not in (contents[0] or b"4711")
    exported = body_of(call(service, "GET", f"{STACK}/export"))
    assert set(exported) == {"version", "deployment"}
    assert exported["deployment"]["manifest"]["magic"] == "m"
    assert exported["deployment"]["secrets_providers"]["state"]["url"] == url


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"version": 3}, "it is no object"),
        ({"version": 2, "deployment": {}}, "its version is 2"),
        (state({"type": "a:b:C"}), "resource 0 has no urn"),
        (state({"urn": "u"}), "u has no type"),
        (state(ROOT, ROOT), "stands in it twice"),
        (state({**ROOT, "parent": "urn:gone"}), "names the parent urn:gone"),
        (state({**ROOT, "dependencies": ["urn:gone"]}), "names the dependency urn:gone"),
        (state({**ROOT, "provider": "urn:gone::id"}), "names the provider urn:gone::id"),
        (state(ROOT, pending_operations=[{}]), "pending operation 0 has no resource"),
    ],
)
def test_a_state_that_is_not_whole_is_refused(
    service: StackService, body: Mapping[str, Any], says: str
) -> None:
    """At an import and at a checkpoint; the state stays as it was."""
    path = begun(service)
    assert says in refused(call(service, "PATCH", f"{path}/checkpoint", body), 400)
    assert service.states.refused
    assert says in refused(call(service, "POST", f"{STACK}/import", body), 400)
    assert body_of(call(service, "GET", f"{STACK}/export"))["deployment"] is None


def test_secrets_of_another_service_are_refused(service: StackService) -> None:
    """An import whose secrets our key does not open would lose them."""
    foreign = StackCipher.fresh().encrypt("x")
    secret = {**ROOT, "outputs": {"a": {SIGNATURE: SECRET_MARK, "ciphertext": foreign}}}
    provider = {"type": "service", "state": {"url": "https://elsewhere"}}
    body = state(secret, secrets_providers=provider)
    assert "another service" in refused(call(service, "POST", f"{STACK}/import", body), 400)


def test_a_full_stack_is_not_removed(service: StackService) -> None:
    """Not unless it is forced."""
    assert call(service, "POST", f"{STACK}/import", state(ROOT)).status == 200
    assert "still contains" in refused(call(service, "DELETE", STACK), 400)
    assert call(service, "DELETE", STACK, force="true").status == 204
    assert "not found" in refused(call(service, "GET", STACK), 404)


def test_secrets_go_in_and_out(service: StackService) -> None:
    """Encrypted and decrypted, one by one and many at once; a foreign one is refused."""
    sealed = body_of(call(service, "POST", f"{STACK}/encrypt", {"plaintext": "aGk="}))["ciphertext"]
    plain = body_of(call(service, "POST", f"{STACK}/decrypt", {"ciphertext": sealed}))
    assert plain == {"plaintext": "aGk="}
    many = body_of(
        call(service, "POST", f"{STACK}/batch-encrypt", {"plaintexts": ["aGk=", "eW8="]})
    )
    opened = body_of(call(service, "POST", f"{STACK}/batch-decrypt", many))["plaintexts"]
    assert list(opened.values()) == ["aGk=", "eW8="]
    for body in ({"ciphertext": "aGk="}, {"ciphertext": "%"}, {}):
        assert call(service, "POST", f"{STACK}/decrypt", body).status == 400


def test_a_preview_writes_nothing(service: StackService, store: DatabaseStore) -> None:
    """A preview of a stack that is not there works on an empty one, which is nowhere afterwards."""
    name = StackName("site", "new")
    service.states.imagine(name)
    path = "/api/stacks/organization/site/new"
    assert body_of(call(service, "GET", path))["version"] == 0
    update = body_of(call(service, "POST", f"{path}/preview", {}))["updateID"]
    started = f"{path}/update/{update}"
    assert body_of(call(service, "POST", started, {}))["token"]
    assert call(service, "PATCH", f"{started}/checkpoint", state()).status == 409
    assert call(service, "POST", f"{started}/complete", {"status": "succeeded"}).status == 204
    with store.read() as tx:
        assert tx.stack(name) is None


def test_an_old_lease_is_refused_in_our_words(service: StackService, store: DatabaseStore) -> None:
    """409 with a text that names the lease; the service remembers it."""
    path = begun(service)
    with store.write() as tx:
        tx.release_lease("site", "dev", service.states.writer.token)
    for method, act, body in (
        ("PATCH", "checkpoint", state(ROOT)),
        ("POST", "renew_lease", {"duration": 300}),
        ("POST", "complete", {"status": "succeeded"}),
    ):
        text = refused(call(service, method, f"{path}/{act}", body), 409)
        assert "no longer the current one" in text
    assert "run dev#1" in service.states.refused


def test_bodies_that_cannot_be_read(service: StackService) -> None:
    """Cut gzip, no gzip, no JSON, a wrong encoding: 400, and the server goes on."""
    good = gzip.compress(json.dumps({"stackName": "two"}).encode())
    with served(service) as url:
        for raw, encoding, says in (
            (good[:-9], "gzip", "cut off"),
            (b"nonsense", "gzip", "no gzip"),
            (b"{", "", "no JSON"),
            (b"[]", "", "no JSON object"),
            (b"\xff\xfe", "", "no JSON"),
            (b"[" * 100_000, "", "no JSON"),
            (good, "br", "only gzip"),
        ):
            status, text = sent(url, service, raw, encoding)
            assert (status, says in text) == (400, True), text
        assert sent(url, service, good, "gzip")[0] == 200


def test_who_says_nothing_holds_up_nobody(service: StackService) -> None:
    """Connections on which nothing comes leave the others alone."""
    with served(service) as url:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        silent = [socket.create_connection(address) for _ in range(5)]
        assert sent(url, service, b'{"stackName": "two"}', "")[0] == 200
        for connection in silent:
            connection.close()
    assert refused(call(service, "GET", STACK), 503)


def test_large_bodies_are_refused(service: StackService, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what they say of themselves, and by what they unpack to."""
    monkeypatch.setattr(server, "LARGEST", 1024 * 1024)
    with served(service) as url:
        status, text = sent(url, service, b"", "", length=10 * 1024 * 1024)
        assert (status, "larger than 1 MiB" in text) == (400, True)
    bomb = gzip.compress(b"\0" * 5_000_000)
    with pytest.raises(bodies.BadBody, match="larger than 1 MiB"):
        bodies.unpacked(bomb, "gzip", largest=1024 * 1024)


def sent(
    url: str, service: StackService, raw: bytes, encoding: str, length: int | None = None
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    headers = {"Authorization": f"token {service.token}", "Content-Encoding": encoding}
    if length is not None:
        headers["Content-Length"] = str(length)
    connection.request("POST", "/api/stacks/organization/site", body=raw, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text
