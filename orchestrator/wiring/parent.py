"""How does the warm parent begin? `python -m orchestrator.wiring.parent FD`

Imports make many objects and no garbage: without the collector they take a fifth less.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.attempts.warm import serve
from orchestrator.model.definitions import StageKind


def main(descriptor: int) -> None:
    """Imports all that attempts need, then forks them as they are asked for."""
    gc.disable()  # an attempt, which may live long, has it again
    serve(descriptor, _attempt, ready, idle=(_ours, _pulumi, _states, _ansible))


def ready(folder: AttemptFolder) -> None:
    """What an attempt needs is imported, if it was not yet."""
    _ours()
    kind = folder.kind()
    if kind is StageKind.PULUMI:
        _pulumi()
        if folder.backend() == "builtin":
            _states()
    elif kind is StageKind.ANSIBLE:
        _ansible()


def _attempt(folder: AttemptFolder, variables: Mapping[str, str]) -> None:
    from orchestrator.wiring.attempt import main as attempt

    gc.enable()
    attempt(folder, variables)


def _ours() -> None:
    import orchestrator.wiring.attempt  # noqa: F401  # for the forks, as are these


def _pulumi() -> None:
    from orchestrator.pulumi.warm import preload

    preload()


def _states() -> None:
    import orchestrator.wiring.states  # noqa: F401  # with the database's libraries


def _ansible() -> None:
    from orchestrator.ansible.warm import preload

    preload()


if __name__ == "__main__":
    main(int(sys.argv[1]))
