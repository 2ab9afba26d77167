"""Why did it fail? From diagnostics and stderr to one Failure per cause, in a person's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.model.runs import Failure
from orchestrator.pulumi.answer import Answer
from orchestrator.pulumi.events import Message, plain
from orchestrator.pulumi.urns import address_of

_ECHOES = ("update failed", "preview failed", "refresh failed", "destroy failed", "update canceled")
PROGRAM_ENDED = "the program ended with"  # how our language host begins; it says nothing new
_THROWN = "Program failed with an unhandled exception:"
_SET_BY_HAND = "please set a value using the command"  # our own advice takes its place
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_NOISE = re.compile(
    r"^(error|warning|rpc error: code = \w+ desc =|Exception calling application):? *"
)
_PLUGIN = re.compile(
    r"(?:no|download and install) (?P<kind>\w+) plugin 'pulumi-\w+-(?P<name>[^']+)'"
    r"(?: found in the workspace)?(?: at version v(?P<version>[\w.+-]*\w))?"
)


def failures_of(answer: Answer, *, project: Path, stage: str) -> tuple[Failure, ...]:
    """One per resource that failed and one for the program, the cause first; never empty."""
    found = tuple(_of_messages(answer, project, stage))
    if not found:
        found = tuple(_of_steps(answer))
    return found or (_of_text(answer, stage),)


def _of_messages(answer: Answer, project: Path, stage: str) -> Iterator[Failure]:
    errors = [m for m in answer.messages if m.severity == "error" and not _is_echo(m)]
    causes = [m for m in errors if PROGRAM_ENDED not in m.text] or errors
    merged: dict[str, list[str]] = {}
    for message in causes:
        texts = merged.setdefault(message.urn, [])
        if message.text not in texts:
            texts.append(message.text)
    for urn, texts in merged.items():
        for text in texts if not urn else ["\n".join(texts)]:
            where = address_of(urn) if urn else f"program of stage {stage}"
            yield failure(where, text, project)


def failure(where: str, text: str, project: Path) -> Failure:
    """A Failure of one diagnostic: without noise, with the place in the program where it threw."""
    if text.startswith(_THROWN):
        return _thrown(where, text.removeprefix(_THROWN).strip(), project)
    return Failure(where=where, what=told_plainly(text))


def told_plainly(text: str) -> str:
    """The text without the layers of prefixes, and with what to do where we know it."""
    lines = [_stripped(line) for line in plain(text).splitlines() if _SET_BY_HAND not in line]
    return _advised("\n".join(line for line in lines if line))


def _thrown(where: str, traceback: str, project: Path) -> Failure:
    """The last frame inside the project is the place; the last line says what was thrown."""
    frames = [(match["file"], int(match["line"])) for match in _FRAME.finditer(traceback)]
    inside = [(Path(file), line) for file, line in frames if Path(file).is_relative_to(project)]
    file = f"{inside[-1][0].relative_to(project)}:{inside[-1][1]}" if inside else ""
    if not file and frames:
        file = f"{frames[-1][0]}:{frames[-1][1]}"
    last = "\n".join(line.rstrip() for line in traceback.splitlines()[-6:]).strip()
    return Failure(where=where, what=_advised(last), file=file)


def _of_steps(answer: Answer) -> Iterator[Failure]:
    for step in answer.steps:
        if step.state == "failed" and not step.planning:
            yield Failure(where=address_of(step.urn), what=f"could not {step.operation}")


def _of_text(answer: Answer, stage: str) -> Failure:
    """Where nothing was told by events, stderr has the reason."""
    lines = [plain(line) for line in (*answer.stderr, *answer.stdout) if plain(line)]
    start = next((i for i, line in enumerate(lines) if line.startswith("error:")), None)
    chosen = lines[start:] if start is not None else lines[-5:]
    text = "\n".join(chosen[:12]) or f"pulumi ended with exit code {answer.code} and said nothing"
    return Failure(where=f"stage {stage}", what=told_plainly(text))


def _is_echo(message: Message) -> bool:
    return not message.urn and message.text.strip() in _ECHOES


def _stripped(line: str) -> str:
    while (shorter := _NOISE.sub("", line.rstrip(), count=1)) != line.rstrip():
        line = shorter
    return line.rstrip()


def _advised(text: str) -> str:
    for mark, advice in _ADVICE:
        if mark in text and advice not in text:
            return f"{text}\n{advice}"
    match = _PLUGIN.search(text)
    return f"{text}\n{_plugin_advice(match)}" if match else text


def _plugin_advice(match: re.Match[str]) -> str:
    wanted = " ".join(part for part in (match["kind"], match["name"], match["version"]) if part)
    return f"Bring it with 'orchestrator doctor --fix', or with 'pulumi plugin install {wanted}'."


_ADVICE = (
    (
        "the stack is currently locked",
        "Another process holds this stack: wait for it to end. "
        "Where it is certain that it is dead, 'pulumi cancel' removes the lock.",
    ),
    (
        "incorrect passphrase",
        "The stack's secrets were encrypted with another passphrase than the one given: list "
        "PULUMI_CONFIG_PASSPHRASE under 'credentials: pulumi' of the environment and set it.",
    ),
    (
        "PULUMI_ACCESS_TOKEN must be set",
        "The backend wants a login: list PULUMI_ACCESS_TOKEN under 'credentials: pulumi' of the "
        "environment and set it.",
    ),
    (
        "ModuleNotFoundError: No module named",
        "The program runs under Orchestrator's own Python unless it names one that has its "
        "packages: the stage's 'python:', or 'virtualenv' in Pulumi.yaml.",
    ),
    (
        "Missing required configuration variable",
        "Give it in the stage's 'config', or in the project's stack file.",
    ),
)
