"""A stand-in for the attempt process: reads a Work as JSON on stdin, does it, prints what happened.

One JSON line per event, then one with the result. SIGTERM asks to cancel. Run as
`python -m tests.pulumi.attempt ACTION`.
"""

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from orchestrator.model.codec import decode, encode
from orchestrator.model.errors import OrchestratorError
from orchestrator.model.events import StageEvent
from orchestrator.model.work import Work
from orchestrator.pulumi import warm
from orchestrator.pulumi.executor import PulumiExecutor
from orchestrator.pulumi.prepare import Surroundings
from orchestrator.wiring.states import states_from


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def main() -> None:
    order = json.load(sys.stdin)
    if order["warm"]:
        warm.open_interpreter()
    else:
        warm.preload()
    work = decode(Work, order["work"], json.loads)
    signal.signal(signal.SIGTERM, lambda *_: work.cancel.ask())
    checkout = Path(order["checkout"]) if order["checkout"] else None
    around = Surroundings(read_yaml=read_yaml, checkout=checkout, states=states_from({}))
    executor = PulumiExecutor(around)
    began = time.monotonic()
    try:
        result = getattr(executor, sys.argv[1])(work, _tell)
        body = {"result": encode(result, json.dumps)}
    except OrchestratorError as error:
        body = {"error": str(error), "kind": type(error).__name__}
    warm.close_interpreter()
    print(json.dumps({**body, "seconds": time.monotonic() - began}), flush=True)


def _tell(event: StageEvent) -> None:
    print(json.dumps({"type": event.type, **encode(event)}), flush=True)  # type: ignore[dict-item]


if __name__ == "__main__":
    main()
