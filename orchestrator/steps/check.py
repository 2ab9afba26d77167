"""Does a URL answer as it should, within a time and for a time?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from orchestrator.model.definitions import Cause, CheckSpec
from orchestrator.model.errors import DefinitionError
from orchestrator.model.events import Progress
from orchestrator.model.positions import Problem
from orchestrator.model.runs import Failure, Outcome, Plan, Status
from orchestrator.model.work import Work
from orchestrator.ports import Report
from orchestrator.steps.probe import Answer, ask
from orchestrator.steps.texts import open_text_of, text_of

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0  # seconds between two looks
PATIENCE = 10.0  # seconds for one answer


class CheckExecutor:
    """Looks until it holds within `spec.within`, then for `spec.hold` at whether it goes on."""

    def plan(self, work: Work, report: Report) -> Plan:  # noqa: ARG002  # a check changes nothing
        return Plan(unknown=tuple(work.outputs))

    def apply(self, work: Work, report: Report) -> Outcome:
        """Raises DefinitionError for a URL or a header that cannot be asked with."""
        check = _Check(work, report)
        failure = check.comes_true() or check.goes_on()
        if work.cancel.asked and work.cancel.reason != "timeout":
            return Outcome(status=Status.CANCELLED)
        if failure:
            return Outcome(status=Status.FAILED, failures=(failure,), cause=failure.cause)
        return Outcome(status=Status.SUCCEEDED)

    def destroy(self, work: Work, report: Report) -> Outcome:  # noqa: ARG002  # nothing is there
        return Outcome(status=Status.SUCCEEDED)

    def unchanged(self, work: Work, report: Report) -> str:  # noqa: ARG002  # asking is the check
        return ""


class _Check:
    def __init__(self, work: Work, report: Report) -> None:
        assert isinstance(work.spec, CheckSpec)
        self._spec = work.spec
        self._cancel = work.cancel
        self._report = report
        self._url = _url(work, work.spec)
        self._headers = _headers(work, work.spec)
        self._contains = text_of(work.spec.contains)
        self._began = time.monotonic()
        self._last = self._began + work.timeout.total_seconds()
        self._told = ""

    def comes_true(self) -> Failure | None:
        """None once it holds; it is looked at once at least. Where stopped: that it did not."""
        within = self._spec.within.total_seconds()
        deadline = self._began + within
        pause = FIRST_PAUSE
        while True:
            left = max(deadline - time.monotonic(), 0.1) if within > 0 else PATIENCE
            answer = self._look(left)
            if self._holds(answer):
                return None
            if self._stopped() or time.monotonic() + pause >= deadline:
                return self._failure(f"within {_short(self._spec.within)}", answer)
            self._tell(f"waiting for {self._url}: {answer}")
            self._cancel.wait(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)

    def goes_on(self) -> Failure | None:
        """None where it held to the end of `hold`, at which it is looked at once more.

        One answer that is not as it should be is enough. Where stopped: that it was.
        """
        end = time.monotonic() + self._spec.hold.total_seconds()
        how_long = f"for {_short(self._spec.hold)}"
        while (left := end - time.monotonic()) > 0:
            self._tell(f"{self._url} answers as it should; watching {_short(self._spec.hold)}")
            self._cancel.wait(min(left, LONGEST_PAUSE))
            if self._stopped():
                return self._failure(how_long, Answer(text="as expected, but it was stopped"))
            answer = self._look(PATIENCE)
            if not self._holds(answer):
                return self._failure(how_long, answer)
        return None

    def _look(self, seconds: float) -> Answer:
        return ask(
            self._url,
            self._headers,
            seconds=min(seconds, PATIENCE),
            follow=not 300 <= self._spec.status < 400,  # else a redirect could never be expected
            given_up=self._stopped,
        )

    def _stopped(self) -> bool:
        if not self._cancel.asked and time.monotonic() > self._last:
            self._cancel.ask("timeout")
        return self._cancel.asked

    def _holds(self, answer: Answer) -> bool:
        return answer.status == self._spec.status and self._contains in answer.text

    def _failure(self, how_long: str, answer: Answer) -> Failure:
        secret = not isinstance(self._spec.contains, str)
        text = "the expected text" if secret else repr(self._contains)
        expected = f"status {self._spec.status}" + (f" with {text}" if self._contains else "")
        what = f"expected {expected} {how_long}; last answer: {answer}"
        return Failure(where=self._url, what=what, cause=self._cause(answer))

    def _cause(self, answer: Answer) -> Cause:
        if self._cancel.reason == "timeout":
            return Cause.TIMEOUT
        return Cause.FAILED if answer.status else Cause.UNREACHABLE

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._report(Progress(text=text))


def _url(work: Work, spec: CheckSpec) -> str:
    url = open_text_of(spec.url, stage=work.stage, where="a URL", instead="give it by `headers`")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        message = f"stage '{work.stage}' checks '{url}', which is no http or https URL"
        raise DefinitionError([Problem(message=message, help="such as https://example.com/health")])
    return url


def _headers(work: Work, spec: CheckSpec) -> Mapping[str, str]:
    headers = {name: text_of(value) for name, value in spec.headers.items()}
    for name, value in headers.items():
        if any(sign in name + value for sign in "\r\n\0") or not (name + value).isascii():
            message = f"stage '{work.stage}': header '{name}' holds what no header may"  # not what
            raise DefinitionError([Problem(message=message, help="one line of plain ASCII")])
    return {"User-Agent": "orchestrator-check", **headers}


def _short(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"
