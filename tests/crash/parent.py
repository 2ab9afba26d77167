"""The parent of attempts, armed: `python -m tests.crash.parent FD`."""

import sys

from orchestrator.wiring.parent import main
from tests.crash.arming import arm

if __name__ == "__main__":
    arm("parent")
    main(int(sys.argv[1]))
