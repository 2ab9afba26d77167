"""Does a check hold when the URL answers as it should, and say what came where it does not?"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orchestrator.model.definitions import Cause, CheckSpec
from orchestrator.model.errors import DefinitionError
from orchestrator.model.events import StageEvent
from orchestrator.model.runs import Status
from orchestrator.model.values import Secret
from orchestrator.model.work import Cancel
from orchestrator.steps.check import CheckExecutor
from tests.steps.conftest import Heard, WorkFor

STEP = CheckExecutor()
ONCE = timedelta(0)
LONG = timedelta(seconds=30)
Respond = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A real server on loopback whose answer can be changed."""

    def __init__(self) -> None:
        self.asked: list[BaseHTTPRequestHandler] = []
        self.respond: Respond = answer(200, "guestbook")
        site = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self)
                site.respond(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


def answer(status: int, text: str, **headers: str) -> Respond:
    def respond(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(text.encode())

    return respond


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_holds_at_once(site: Site, work_for: WorkFor, heard: Heard) -> None:
    """Status, text and headers as expected: one look is enough, and nothing changed."""
    spec = CheckSpec(url=site.url, contains="guest", headers={"X-Token": Secret("t0p")})
    outcome = STEP.apply(work_for(spec), heard)
    assert (outcome.status, outcome.changes.any) == (Status.SUCCEEDED, False)
    assert len(site.asked) == 1
    assert site.asked[0].headers["X-Token"] == "t0p"


def test_waits_until_it_holds(site: Site, work_for: WorkFor, heard: Heard) -> None:
    """It looks again until it holds, and tells what it waits for."""

    def respond(request: BaseHTTPRequestHandler) -> None:
        answer(200 if len(site.asked) > 2 else 503, "starting")(request)

    site.respond = respond
    outcome = STEP.apply(work_for(CheckSpec(url=site.url, within=LONG)), heard)
    assert outcome.status is Status.SUCCEEDED
    assert heard.texts() == [f"waiting for {site.url}: 503 starting"]


def test_failure_tells_the_last_answer(site: Site, work_for: WorkFor, heard: Heard) -> None:
    """Status and beginning of what came stand in the failure, and what was expected."""
    site.respond = answer(500, "no database\n" + "x" * 500)
    outcome = STEP.apply(work_for(CheckSpec(url=site.url, contains="ok", within=ONCE)), heard)
    assert (outcome.status, outcome.cause) == (Status.FAILED, Cause.FAILED)
    what = outcome.failures[0].what
    assert what.startswith(
        "expected status 200 with 'ok' within 0 s; last answer: 500 no database x"
    )
    assert len(what) < 300
    assert outcome.failures[0].where == site.url


def test_wrong_text(site: Site, work_for: WorkFor, heard: Heard) -> None:
    """The right status with another text does not hold; a secret text is not told."""
    spec = CheckSpec(url=site.url, contains=Secret("t0p"), within=ONCE)
    outcome = STEP.apply(work_for(spec), heard)
    assert outcome.failures[0].what == (
        "expected status 200 with the expected text within 0 s; last answer: 200 guestbook"
    )


def test_nobody_listens(closed_port: int, work_for: WorkFor, heard: Heard) -> None:
    """A refused connection is told as such, and its cause is `unreachable`."""
    spec = CheckSpec(url=f"http://127.0.0.1:{closed_port}/", within=timedelta(milliseconds=300))
    outcome = STEP.apply(work_for(spec), heard)
    assert (outcome.status, outcome.cause) == (Status.FAILED, Cause.UNREACHABLE)
    assert outcome.failures[0].what.endswith("last answer: connection refused")


def test_expected_error_status(site: Site, work_for: WorkFor, heard: Heard) -> None:
    """Any status can be the expected one."""
    site.respond = answer(404, "gone")
    assert (
        STEP.apply(work_for(CheckSpec(url=site.url, status=404)), heard).status is Status.SUCCEEDED
    )


def test_hold(site: Site, work_for: WorkFor, heard: Heard) -> None:
    """It must go on holding: one bad answer in that time is a failure."""

    def respond(request: BaseHTTPRequestHandler) -> None:
        answer(200 if len(site.asked) < 2 else 502, "")(request)

    site.respond = respond
    spec = CheckSpec(url=site.url, hold=timedelta(milliseconds=200))
    outcome = STEP.apply(work_for(spec), heard)
    assert outcome.failures[0].what == "expected status 200 for 0.2 s; last answer: 502"
    site.respond = answer(200, "")
    site.asked.clear()
    assert STEP.apply(work_for(spec), heard).status is Status.SUCCEEDED
    assert len(site.asked) >= 2


def test_redirects(site: Site, work_for: WorkFor, heard: Heard) -> None:
    """A redirect on the same host is followed, to another host it is the answer."""

    def respond(request: BaseHTTPRequestHandler) -> None:
        where = {"/": "/next", "/away": "http://127.0.0.2:1/"}.get(request.path)
        if where:
            answer(302, "moved", Location=where)(request)
        else:
            answer(200, "here")(request)

    site.respond = respond
    spec = CheckSpec(url=site.url, contains="here", within=ONCE)
    assert STEP.apply(work_for(spec), heard).status is Status.SUCCEEDED
    away = STEP.apply(work_for(CheckSpec(url=site.url + "away", within=ONCE)), heard)
    assert away.failures[0].what.endswith("last answer: 302 moved")
    expected = CheckSpec(url=site.url, status=302, within=ONCE)
    assert STEP.apply(work_for(expected), heard).status is Status.SUCCEEDED


def test_proxies_of_the_environment_are_not_used(
    site: Site,
    closed_port: int,
    work_for: WorkFor,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy that our environment names is not asked."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert (
        STEP.apply(work_for(CheckSpec(url=site.url, within=ONCE)), heard).status is Status.SUCCEEDED
    )


def test_cancel_while_it_waits(closed_port: int, work_for: WorkFor) -> None:
    """A cancelled check ends though nothing ever answered."""
    cancel = Cancel()

    def report(event: StageEvent) -> None:
        del event
        cancel.ask()

    spec = CheckSpec(url=f"http://127.0.0.1:{closed_port}/", within=LONG)
    assert STEP.apply(work_for(spec, cancel=cancel), report).status is Status.CANCELLED


def test_cancel_while_the_answer_hangs(site: Site, work_for: WorkFor, heard: Heard) -> None:
    """A server that never answers does not hold up a cancel."""
    cancel = Cancel()
    release = threading.Event()

    def respond(_: BaseHTTPRequestHandler) -> None:
        cancel.ask()
        release.wait(20)

    site.respond = respond
    spec = CheckSpec(url=site.url, within=timedelta(hours=1))
    outcome = STEP.apply(work_for(spec, cancel=cancel), heard)
    assert outcome.status is Status.CANCELLED
    assert not release.is_set()
    release.set()
    deadline = time.monotonic() + 20
    while any(thread.name.startswith("probe") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_timeout_of_the_stage(closed_port: int, work_for: WorkFor, heard: Heard) -> None:
    """Where the stage's own time runs out first, that is the cause."""
    spec = CheckSpec(url=f"http://127.0.0.1:{closed_port}/", within=LONG)
    outcome = STEP.apply(work_for(spec, timeout=timedelta(milliseconds=100)), heard)
    assert (outcome.status, outcome.cause) == (Status.FAILED, Cause.TIMEOUT)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (CheckSpec(url="file:///etc/passwd"), "no http or https URL"),
        (CheckSpec(url=Secret("http://user:t0p@x/")), "puts a secret into a URL"),
        (CheckSpec(url="http://x/", headers={"A": Secret("t0p\r\nB: c")}), "no header may"),
    ],
)
def test_what_cannot_be_asked(
    work_for: WorkFor, heard: Heard, spec: CheckSpec, reason: str
) -> None:
    """Nothing is asked with a foreign scheme, a secret in the URL, or a broken header."""
    with pytest.raises(DefinitionError, match=reason) as caught:
        STEP.apply(work_for(spec), heard)
    assert "t0p" not in str(caught.value)


def test_plan_and_destroy_ask_nothing(work_for: WorkFor, heard: Heard) -> None:
    """A check changes nothing: no rows, nothing to take away, nothing proved."""
    work = work_for(CheckSpec(url="http://127.0.0.1:1/"))
    assert STEP.plan(work, heard).rows == ()
    assert STEP.destroy(work, heard).status is Status.SUCCEEDED
    assert STEP.unchanged(work, heard) == ""
