"""Which moments of a process have names, and how does it die at one of them?

Nothing of the product knows of this: a process that is armed wraps the functions of `_WRAPPED`, all
commits and all answers of the state service. Each passage is `ROLE WHEN WHAT`, such as
`controller before commit of driver._commit`; the same place is passed many times, so a point is a
name and how often it was passed by that process: `… #2`.
"""

from __future__ import annotations

import importlib
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

LOG = "ORCHESTRATOR_CRASH_LOG"  # a file: every passage is a line of it
AT = "ORCHESTRATOR_CRASH_AT"  # the point at which this process kills itself
WITH = "ORCHESTRATOR_CRASH_WITH"  # "all": its whole machine's processes of this state home die too
STORE = "ORCHESTRATOR_CRASH_STORE"  # the store's id, by which its tools are known
HIT = "ORCHESTRATOR_CRASH_HIT"  # a file that is made just before
CHECKOUT = Path(__file__).parent.parent.parent

_WRAPPED = {
    "attempts.folder": (
        "write_whole",
        "AttemptFolder.made",
        "AttemptFolder.mark_started",
        "AttemptFolder.remove",
        "AttemptFolder.ask_cancel",
    ),
    "attempts.warm": ("WarmParent.start", "_fork"),
    "attempts.process": ("_asked", "_record"),
    "procs": ("_start", "end_marked"),
    "services.driver": ("Driver._start", "Driver._adopt"),
    "services.sources": ("settled",),
    "store.marks": ("note",),
    "pulumi.stack_state": ("make_stack", "adopt", "remove_stack"),
    "pulumi.executor": ("_freed", "_acted", "_left_pending"),
    "ansible.launch": ("play",),
}

_passed: Counter[str] = Counter()
_role = "controller"


def arm(role: str) -> None:
    """From now on this process writes down what it passes, and dies where it was told to."""
    global _role
    _role = role
    for module, names in _WRAPPED.items():
        for name in names:
            _wrap(f"orchestrator.{module}", name)
    _name_commits()
    _name_answers()
    _name_attempts()
    _arm_the_parent()


def point(when: str, what: str) -> None:
    """The process is here now. Returns, but for the one point at which it is to die."""
    name = f"{_role} {when} {what}"
    _passed[name] += 1
    here = f"{name} #{_passed[name]}"
    if log := os.environ.get(LOG):
        _append(log, here)
    if os.environ.get(AT) == here:
        Path(os.environ[HIT]).touch()
        if os.environ.get(WITH) == "all":
            _kill_others()
        os.kill(os.getpid(), signal.SIGKILL)


def _wrap(module: str, name: str) -> None:
    owner: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    raw = vars(owner)[last]
    inner = raw.__func__ if isinstance(raw, classmethod) else raw

    def passing(*args: Any, **keys: Any) -> Any:
        what = name.replace("_", " ").strip() + _about(args)
        point("before", what)
        answer = inner(*args, **keys)
        point("after", what)
        return answer

    setattr(owner, last, classmethod(passing) if isinstance(raw, classmethod) else passing)
    for other, module_ in list(sys.modules.items()):  # whoever imported it by name
        names = vars(module_) if other.startswith("orchestrator.") else {}
        for alias in [a for a, value in names.items() if value is raw]:
            setattr(module_, alias, passing)


def _about(args: tuple[Any, ...]) -> str:
    """The file's name where the first argument is a path: result.json, cancel."""
    return f" {args[0].name}" if args and isinstance(args[0], Path) else ""


def _name_commits() -> None:
    from orchestrator.store.database import Database

    begun = Database.write

    @contextmanager
    def write(self: Database) -> Iterator[Any]:
        what = f"commit of {_asker(sys._getframe(1))}"
        with begun(self) as connection:
            yield connection
            point("before", what)
        point("after", what)

    Database.write = write  # type: ignore[method-assign]


def _asker(frame: FrameType | None) -> str:
    """The function that wants the transaction: the first one outside the store."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("orchestrator.") and not module.startswith("orchestrator.store."):
            return f"{module.rpartition('.')[2]}.{frame.f_code.co_name}"
        if module.startswith("orchestrator.store.") and frame.f_code.co_name not in (
            "write",
            "connected",
        ):
            return f"{module.rpartition('.')[2]}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "nobody"


def _name_answers() -> None:
    from orchestrator.pulumi.service.service import Request, StackService

    reply = StackService.reply

    def replying(self: StackService, request: Request) -> Any:
        what = f"answer to {request.method} {_route(request.path)}"
        point("before", what)
        answer = reply(self, request)
        point("after", what)
        return answer

    StackService.reply = replying  # type: ignore[method-assign]


def _route(path: str) -> str:
    """Without what differs from one run to the next."""
    path = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", path)
    return path.removeprefix("/api/").replace("organization/", "")


def _name_attempts() -> None:
    """A forked attempt has a role of its own, and counts from one."""
    from orchestrator.attempts import warm
    from orchestrator.attempts.folder import AttemptFolder

    child = warm._child

    def born(folder: AttemptFolder, *rest: Any) -> None:
        global _role
        _role = f"attempt {folder.path.name}"
        _passed.clear()
        point("after", "fork")
        child(folder, *rest)

    warm._child = born  # type: ignore[assignment]


def _arm_the_parent() -> None:
    """The parent of attempts is armed too; it gets a clean environment, so it is told where."""
    from orchestrator.attempts import warm

    warm._PASSED += ("PYTHONPATH",)  # type: ignore[assignment]
    begin: Callable[..., None] = warm.WarmParent.__init__

    def begun(self: Any, module: str) -> None:
        assert module == "orchestrator.wiring.parent", module
        point("before", "start of the parent")
        begin(self, "tests.crash.parent")
        point("after", "start of the parent")

    warm.WarmParent.__init__ = begun  # type: ignore[method-assign]


def _append(path: str, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def _kill_others() -> None:
    """As where the machine loses its power: nothing of this state home lives on."""
    wanted = f"{HIT}={os.environ[HIT]}".encode()
    me = os.getpid()
    for _ in range(3):  # whoever was just being forked
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                carried = path.read_bytes().split(b"\0")
                pid = int(path.parent.name)
                if pid != me and (wanted in carried or _is_tool(carried)):
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                continue


def _is_tool(carried: list[bytes]) -> bool:
    """Tools see only what they may; their attempt's mark holds the store's id."""
    mark = os.environ.get(STORE, "")
    return bool(mark) and any(
        item.startswith(b"ORCHESTRATOR_ATTEMPT=" + mark.encode()) for item in carried
    )
