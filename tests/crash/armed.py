"""`python -m tests.crash.armed …` is `orchestrator …`, armed."""

from orchestrator.cli.main import main
from tests.crash.arming import arm

if __name__ == "__main__":
    arm("controller")
    main()
