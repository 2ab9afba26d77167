"""When does the warm parent of attempts begin? As early as can be, for it has much to import."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.attempts.folder import AttemptFolder, Proof
from orchestrator.attempts.warm import WarmParent
from orchestrator.model.errors import ExecutorError

_PARENT = "orchestrator.wiring.parent"
_early: list[WarmParent] = []


def begin_early() -> None:
    """It imports while this process still imports what it needs itself.

    Where nobody asks for it, it ends with this process.
    """
    _early.append(WarmParent(_PARENT))


class LazyParent:
    """The warm parent, started when it is needed and at most once."""

    def __init__(self) -> None:
        self._parent: WarmParent | None = None

    def begin(self) -> WarmParent:
        if self._parent is None:
            self._parent = _early.pop() if _early else WarmParent(_PARENT)
        return self._parent

    def start(self, folder: AttemptFolder, variables: Mapping[str, str]) -> None:
        """The attempt lives. A parent that was killed is replaced, if it had not begun this one."""
        parent = self.begin()
        try:
            parent.start(folder, variables)
        except ExecutorError:
            if folder.proof() is not Proof.NEVER_STARTED:
                return  # it began before its parent died: whoever watches it sees how it ends
            if not parent.has_died():
                raise
            self.close()
            self._parent = None
            self.begin().start(folder, variables)

    def close(self) -> None:
        if self._parent is not None:
            self._parent.close()
