"""How does the warm parent begin? `python -m orchestrator.wiring.parent FD`

Imports make many objects and no garbage: without the collector they take a fifth less.
"""

from __future__ import annotations

import gc
import sys


def main(descriptor: int) -> None:
    """Imports all that attempts need, then forks them as they are asked for."""
    gc.disable()
    from orchestrator.ansible.warm import preload as preload_ansible
    from orchestrator.attempts.warm import serve
    from orchestrator.pulumi.warm import preload as preload_pulumi
    from orchestrator.wiring.attempt import main as attempt
    from orchestrator.wiring.attempt import ready

    preload_pulumi()
    preload_ansible()
    gc.enable()  # an attempt may live long
    serve(descriptor, attempt, ready)


if __name__ == "__main__":
    main(int(sys.argv[1]))
