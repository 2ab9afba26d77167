"""What does a result of Ansible say to a person?"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST_MESSAGE = 2000  # characters
LONGEST_DIFF = 8000
HIDDEN = "(hidden by no_log)"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


def plain(text: str) -> str:
    """Text without terminal colours and carriage returns."""
    return _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def clipped(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """The text, its middle left out where it is too long."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def failure_message(result: Mapping[str, Any]) -> str:
    """Ansible's message, then what the program printed; of a loop, its first item that failed."""
    if "censored" in result:
        return HIDDEN
    for item in result.get("results") or ():
        if isinstance(item, Mapping) and (item.get("failed") or item.get("unreachable")):
            return f"item {item_label(item)}: {failure_message(item)}"
    printed = (result.get(k) for k in ("stderr", "module_stderr", "stdout", "module_stdout"))
    first = next((plain(str(text)).strip() for text in printed if text), "")
    message = plain(_text(result.get("msg", ""))).strip().removeprefix("Task failed: ")
    code = f" (exit code {result['rc']})" if message == "non-zero return code" else ""
    parts = dict.fromkeys(part for part in (f"{message}{code}", first) if part)
    return clipped("\n".join(parts)) or "failed without a message"


def success_message(result: Mapping[str, Any], action: str) -> str:
    """What `debug` prints; other tasks have nothing to say that must be read."""
    if "censored" in result or action.rpartition(".")[2] != "debug":
        return ""
    shown = {k: v for k, v in result.items() if not k.startswith("_") and k not in _NOT_SHOWN}
    if set(shown) == {"msg"}:
        return clipped(_text(shown["msg"]))
    return clipped("\n".join(f"{name}: {_text(value)}" for name, value in shown.items()))


def was_changed(result: Mapping[str, Any], line: str) -> bool:
    """Did it change something? Of a result hidden by no_log only Ansible's line tells."""
    if "censored" not in result:
        return bool(result.get("changed"))
    return any(text.startswith("changed: [") for text in plain(line).splitlines())


def item_label(item: Mapping[str, Any]) -> str:
    if "censored" in item:
        return HIDDEN
    return clipped(_text(item.get("_ansible_item_label", item.get("item", ""))), 200)


def diff_text(diff: Any) -> str:
    """Unified diffs of `res.diff`: one of a task, several of some; "" where there is none."""
    texts = (_one_diff(part) for part in _parts(diff))
    return clipped("\n".join(text for text in texts if text), LONGEST_DIFF)


def diff_paths(diff: Any) -> tuple[str, ...]:
    """What the diffs say will change: attributes such as `mode`, or the path of a file."""
    return tuple(dict.fromkeys(path for part in _parts(diff) for path in _changed(part)))


_NOT_SHOWN = ("changed", "failed", "results", "item", "ansible_loop_var")


def _parts(diff: Any) -> list[Mapping[str, Any]]:
    parts = diff if isinstance(diff, list) else [diff]
    return [part for part in parts if isinstance(part, Mapping)]


def _one_diff(part: Mapping[str, Any]) -> str:
    if "prepared" in part:
        return str(part["prepared"]).rstrip("\n")
    before, after = (_lines(part.get(side)) for side in ("before", "after"))
    old = str(part.get("before_header") or "before")
    new = str(part.get("after_header") or "after")
    return "\n".join(difflib.unified_diff(before, after, old, new, lineterm=""))


def _lines(side: Any) -> list[str]:
    text = side if isinstance(side, str) else json.dumps(side, indent=1, sort_keys=True)
    return [] if side is None else text.splitlines()


def _changed(part: Mapping[str, Any]) -> Iterator[str]:
    before, after = part.get("before"), part.get("after")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = dict.fromkeys([*before, *after])
        yield from (n for n in names if n != "path" and before.get(n) != after.get(n))
    elif before != after or "prepared" in part:
        yield str(part.get("after_header") or part.get("before_header") or "content")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
