"""How is the judging process asked? One process a question, ended when its time is over."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from orchestrator.model.errors import ToolError

DEADLINE = timedelta(seconds=10)


class RuleError(ToolError):
    """The rules could not be asked, or did not answer: whoever asked for leave has none."""


def asked(
    rules: Mapping[str, str],
    steps: Sequence[tuple[str, Any]] = (),
    *,
    schema: Mapping[str, Any] | None = None,
    coverage: bool = False,
    deadline: timedelta = DEADLINE,
) -> Mapping[str, Any]:
    """What the process of orchestrator.rego.inside answers.

    rules: file name -> text. steps: (rule path, input). schema: the rules are only checked against
    it, nothing is judged. Raises RuleError for whatever is no answer.
    """
    request = {
        "rules": dict(rules),
        "steps": [{"rule": rule, "input": input} for rule, input in steps],
        "schema": schema,
        "coverage": coverage,
    }
    argv = [sys.executable, "-I", "-X", "utf8", "-m", "orchestrator.rego.inside"]
    try:
        done = subprocess.run(
            argv,
            input=json.dumps(request).encode(),
            capture_output=True,
            env={},
            timeout=deadline.total_seconds(),
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuleError(f"the rules did not end within {deadline.total_seconds():g} s.") from error
    except OSError as error:
        raise RuleError(f"the judging process cannot be started: {error}.") from error
    if done.returncode:
        raise RuleError(f"the judging process {_ending(done)}.")
    answer: Mapping[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        raise RuleError(answer["error"])
    return answer


def _ending(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        return f"was ended by {signal.Signals(-done.returncode).name}"
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return f"ended with {done.returncode}: {last[0] if last else ''}"
