"""How is the service served? By HTTP on a port of this machine, for as long as one operation runs.

One request per connection, a thread each: nobody who connects and says nothing holds up the CLI.
The answers are made one after the other (`StackService.reply`).
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from orchestrator.pulumi.service.answers import Reply, refusal, refusal_of
from orchestrator.pulumi.service.bodies import LARGEST, BadBody, too_large, unpacked
from orchestrator.pulumi.service.service import Request, StackService

_READ_S = 60  # a request that takes longer to arrive is given up


@contextmanager
def served(service: StackService) -> Iterator[str]:
    """The URL under which it answers meanwhile; afterwards no update of it is under way."""
    server = _Server(("127.0.0.1", 0), _Reader)
    server.service = service
    url = f"http://127.0.0.1:{server.server_address[1]}"
    service.states.url = url
    thread = threading.Thread(target=server.answer_all, name="stack states", daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.stop()
        thread.join()
        server.server_close()
        service.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    service: StackService
    request_queue_size = 128
    _over = False

    def answer_all(self) -> None:
        while not self._over:
            self.handle_request()

    def stop(self) -> None:
        """Ends the wait for the next request by being one."""
        self._over = True
        with socket.create_connection(("127.0.0.1", self.server_port)):
            pass

    def server_bind(self) -> None:
        """Without the look-up of our own name, which HTTPServer does and nobody needs."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """A client that hung up is no news; anything else goes to the attempt's log."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            sys.excepthook(*sys.exc_info())


class _Reader(BaseHTTPRequestHandler):
    """Reads a request, sends the reply, hangs up (HTTP/1.0)."""

    server: _Server
    timeout = _READ_S
    wbufsize = -1  # a reply is one write: at each, another thread may take the turn

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        authorization = self.headers.get("Authorization", "")
        stranger = self.server.service.stranger(authorization)
        if stranger is not None:  # before a byte of the body is read
            self._send(stranger)
            return
        try:
            body = self._body()
        except BadBody as error:
            self._send(refusal_of(error))
            return
        request = Request(
            method=self.command,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query)),
            authorization=authorization,
            agent=self.headers.get("User-Agent", ""),
            body=body,
        )
        try:
            reply = self.server.service.reply(request)
        except Exception as error:
            self._send(refusal(500, f"{type(error).__name__}: {error}"))
            raise
        self._send(reply)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _answer

    def _body(self) -> bytes:
        told = self.headers.get("Content-Length") or "0"
        length = int(told) if told.isdecimal() else 0
        if length > LARGEST:
            raise too_large(LARGEST)
        raw = self.rfile.read(length) if length else b""
        if len(raw) < length:
            raise BadBody(f"The body is cut off after {len(raw)} of {length} bytes.")
        return unpacked(raw, self.headers.get("Content-Encoding", ""))

    def _send(self, reply: Reply) -> None:
        content = b"" if self.command == "HEAD" else reply.content()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what happened is told by the CLI's own events."""
