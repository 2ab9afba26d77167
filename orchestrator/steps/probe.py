"""What does a URL answer?"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

LONGEST_BODY = 1024 * 1024  # bytes read of an answer
SHOWN = 200  # characters of an answer that a failure tells
LOOK = 0.1  # seconds between looks at the cancel token


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; status 0 where nothing did, and then `text` says why."""

    status: int = 0
    text: str = ""

    def __str__(self) -> str:
        shown = " ".join(self.text[:SHOWN].split())
        return f"{self.status} {shown}".strip() if self.status else self.text


def ask(
    url: str,
    headers: Mapping[str, str],
    *,
    seconds: float,
    follow: bool,
    given_up: Callable[[], bool],
) -> Answer:
    """One GET. Never raises for what the network does.

    follow: whether redirects are followed; only those that stay on the host are. given_up: asked
    ten times a second; once true, the answer is not waited for.
    """
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    # A connection cannot be interrupted; a thread that hangs on one can be left behind.
    threading.Thread(
        target=lambda: answers.put(_get(url, headers, seconds, follow)),
        name=f"probe {url}",
        daemon=True,
    ).start()
    waited = 0.0
    while waited < seconds + LOOK and not given_up():
        try:
            return answers.get(timeout=LOOK)
        except queue.Empty:
            waited += LOOK
    return Answer(text=f"no answer within {seconds:.3g} s")


def _get(url: str, headers: Mapping[str, str], seconds: float, follow: bool) -> Answer:
    no_proxies = ProxyHandler({})  # not even those that our environment names
    opener = build_opener(no_proxies, _StayOnHost(url, follow))
    request = Request(url, headers=dict(headers))
    try:
        with opener.open(request, timeout=seconds) as response:
            return _read(response.status, response, response.headers)
    except HTTPError as error:  # an answer like any other
        with error:
            return _read(error.code, error, error.headers)
    except URLError as error:
        return Answer(text=_said(error.reason))
    except (OSError, HTTPException, ValueError) as error:
        return Answer(text=_said(error))


def _read(status: int, body: IO[bytes], headers: Message) -> Answer:
    try:
        content = body.read(LONGEST_BODY)
    except (OSError, HTTPException) as error:
        return Answer(text=f"the answer ({status}) broke off: {_said(error)}")
    charset = headers.get_content_charset("utf-8")
    try:
        return Answer(status=status, text=content.decode(charset, errors="replace"))
    except LookupError:  # a character set nobody knows
        return Answer(status=status, text=content.decode("utf-8", errors="replace"))


def _said(error: object) -> str:
    said = (getattr(error, "strerror", None) or str(error)) if error else ""
    return str(said).lower() or type(error).__name__


class _StayOnHost(HTTPRedirectHandler):
    """Follows what stays on the host and does not fall back to http; else the 3xx is the answer."""

    def __init__(self, url: str, follow: bool) -> None:
        self._from = urlsplit(url)
        self._follow = follow

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        to = urlsplit(newurl)
        stays = to.hostname == self._from.hostname
        safe = to.scheme == "https" or to.scheme == self._from.scheme == "http"
        if not (self._follow and stays and safe):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)
