"""What is typed where orchestrator does the same? `orchestrator up dev --yes`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ORCHESTRATOR = str(Path(sys.executable).with_name("orchestrator"))


class Ours:
    """The reference project under orchestrator, for one checkout of it."""

    def __init__(self, project: Path, env: Mapping[str, str]) -> None:
        self._project, self._env = project, dict(env)
        self._commits = 0
        self._git("init", "-q", "-b", "main")
        self._commit()
        self._ask("store", "init")

    def up(self) -> None:
        self.said = self._ask("up", "dev", "--yes")

    def new_release(self) -> None:
        """The next `up` is of another release, so no stage may be skipped; nothing will change."""
        self._commit()

    def destroy(self) -> None:
        self._ask("destroy", "dev", "--yes")

    def _commit(self) -> None:
        self._commits += 1
        (self._project / "notes.txt").write_text(f"{self._commits}\n")
        self._git("add", "-A")
        self._git("commit", "-q", "-m", str(self._commits))

    def _git(self, *words: str) -> None:
        identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
        argv = ["git", *identity, *words]
        subprocess.run(argv, cwd=self._project, env=self._env, check=True)

    def _ask(self, *words: str) -> str:
        argv = [ORCHESTRATOR, *words]
        answer = subprocess.run(
            argv, cwd=self._project, env=self._env, capture_output=True, text=True, check=False
        )
        if answer.returncode:
            raise RuntimeError(f"{' '.join(argv)}:\n{answer.stdout[-3000:]}{answer.stderr}")
        return answer.stdout
