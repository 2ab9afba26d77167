"""Does a long step show that it lives, and does a failing one say why?"""

import os
import sys
from pathlib import Path

import pytest

from orchestrator.setup import running
from orchestrator.setup.running import StepFailed, run_step


def _run(program: str, said: list[str]) -> str:
    return run_step("a step", [sys.executable, "-c", program], said.append, env=os.environ)


def test_a_step_tells_its_beginning_and_its_time() -> None:
    """The step is named before and after, and what the program said comes back."""
    said: list[str] = []
    assert _run("print('hello')", said) == "hello\n"
    assert said[0] == "a step …"
    assert said[1].startswith("a step: done in ")


def test_a_long_step_beats(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """While it runs, a line comes again and again with the time so far, and its words once."""
    monkeypatch.setattr(running, "HEARTBEAT_S", 0.02)
    fifo = tmp_path / "enough"
    os.mkfifo(fifo)
    beats: list[str] = []

    def report(line: str) -> None:
        if " s so far" in line and (beats or "(working)" in line):
            beats.append(line)  # from the first that has a word to show
            if len(beats) == 3:
                fifo.write_text("enough")

    program = f"print('working', flush=True); open({str(fifo)!r}).read()"
    run_step("a step", [sys.executable, "-c", program], report, env=os.environ)
    assert ["(working)" in beat for beat in beats[:3]] == [True, False, False]


def test_a_failed_step_carries_its_last_lines() -> None:
    """Exit code and the end of the output stand in the error, not the whole of it."""
    program = "import sys; [print(n) for n in range(100)]; sys.exit('no room left')"
    with pytest.raises(StepFailed) as failure:
        _run(program, [])
    text = str(failure.value)
    assert "ended with 1" in text
    assert "no room left" in text
    assert "\n50\n" not in text


def test_a_program_that_is_not_there_is_a_failed_step() -> None:
    """What cannot be started is told like any failure."""
    with pytest.raises(StepFailed, match="could not be started"):
        run_step("a step", ["/nonexistent/program"], lambda _: None, env={})
