"""What has the person at the keyboard asked for so far?"""

from __future__ import annotations

from orchestrator.attempts.hints import hint


class Interrupts:
    """Counts Ctrl-C: the first starts nothing more, the second cancels, the third ends trees."""

    def __init__(self) -> None:
        self.count = 0
        self.hint_name = ""

    def __call__(self, *_: object) -> None:
        """One more; safe as a signal's receiver. The driver looks at once."""
        self.count += 1
        if self.hint_name:
            hint(self.hint_name)
