"""Which keys may a Gate have?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, WithJsonSchema

from orchestrator.files.kinds.common import Duration, Header, Name, Strict, complaint, duration
from orchestrator.files.words import did_you_mean, shown

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_OPENING = re.compile(r"(\w+)(?:-(\w+))? (\d\d):(\d\d)-(\d\d):(\d\d) (\S+)")
_PACKAGE = re.compile(r"[a-z_][A-Za-z0-9_]*(\.[a-z_][A-Za-z0-9_]*)*")
_PERSON = re.compile(r"(group:)?[A-Za-z0-9][A-Za-z0-9._@-]*")
_EXAMPLE = "such as 'Mon-Thu 08:00-16:00 Europe/Berlin'"


def _opening(value: Any) -> str:
    """Days, hours and zone of a window. Raises a complaint."""
    found = _OPENING.fullmatch(value) if isinstance(value, str) else None
    if not found or not isinstance(value, str):
        raise complaint(f"must be days, hours and a time zone, not {shown(value)}", _EXAMPLE)
    for day in (found[1], found[2]):
        if day and day not in DAYS:
            raise complaint(f"has an unknown day '{day}'", did_you_mean(day, DAYS, "days"))
    start, end = int(found[3]) * 60 + int(found[4]), int(found[5]) * 60 + int(found[6])
    minutes = (int(found[4]), int(found[6]))
    if not (start < end <= 24 * 60) or max(minutes) > 59:
        raise complaint("must open before it closes, within one day", _EXAMPLE)
    try:
        ZoneInfo(found[7])
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        help = "a name such as Europe/Berlin or UTC"
        raise complaint(f"has an unknown time zone '{found[7]}'", help) from error
    return value


def _day(value: Any) -> str:
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass  # a 30th of February is told below, like any other text
    raise complaint(f"must be a day such as 2026-12-18, not {shown(value)}")


def _package(value: Any) -> str:
    if not isinstance(value, str) or not _PACKAGE.fullmatch(value):
        raise complaint(f"must be a Rego package such as gate.keeps_data, not {shown(value)}")
    return value


def person(value: Any) -> str:
    """A person's name, or `group:name`. Raises a complaint."""
    if not isinstance(value, str) or not _PERSON.fullmatch(value):
        raise complaint(f"must be a person or group:name, not {shown(value)}")
    return value


Day = Annotated[str, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Opening = Annotated[str, BeforeValidator(_opening)]
Person = Annotated[str, BeforeValidator(person)]
Operation = Literal["create", "update", "replace", "delete"]


class WaiveKeys(Strict):
    """Who may waive a rule, and for how long at most."""

    by: list[Person] = Field(min_length=1)
    max: Duration


class RuleKeys(Strict):
    """What every rule in a map may say beside its own keys."""

    waive: WaiveKeys | None = None


class UpstreamKeys(RuleKeys):
    """This very release, whole, in promote_from."""

    status: Literal["succeeded"]


class SoakKeys(RuleKeys):
    """Undrifted time in place upstream; a newer release there stops the count."""

    length: Duration = Field(alias="for")


class DriftKeys(RuleKeys):
    """How long an environment must have been found without drift."""

    in_: Literal["upstream", "target"] = Field(alias="in")
    none_since: Duration


class RehearsedKeys(RuleKeys):
    """Kinds of rows that upstream must have done too, but for some types."""

    deny: list[Operation] = Field(min_length=1)
    except_: list[str] = Field(default_factory=list, alias="except")


class ClosedKeys(Strict):
    """Days on which the window stays shut, both included."""

    from_: Day = Field(alias="from")
    to: Day


class WindowKeys(RuleKeys):
    """When a promotion may start."""

    open: list[Opening] = Field(min_length=1)
    closed: list[ClosedKeys] = Field(default_factory=list)
    start_before_close: Duration | None = None


class RegoKeys(RuleKeys):
    """A package of rules beside the gate."""

    package: Annotated[str, BeforeValidator(_package)]


def _soak(value: Any) -> Any:
    """The short form of a soak is its length."""
    if isinstance(value, Mapping):
        return value
    duration(value)  # complains of the soak itself, not of a key that nobody wrote
    return {"for": value}


_Soak = BeforeValidator(_soak, json_schema_input_type=str | SoakKeys)


class RequireKeys(Strict):
    """One rule: exactly one of these keys."""

    upstream: UpstreamKeys | None = None
    soak: Annotated[SoakKeys, _Soak] | None = None
    drift: DriftKeys | None = None
    rehearsed: RehearsedKeys | None = None
    window: WindowKeys | None = None
    rego: RegoKeys | None = None
    was_live: Literal[True] | None = None


class SignatureKeys(Strict):
    """So many people's signed yes."""

    id: Name
    need: int = Field(ge=1, le=20)
    from_: list[Person] = Field(alias="from", min_length=1)
    not_: list[Literal["release.authors", "run.requester"]] = Field(
        default_factory=list, alias="not"
    )
    expires: Duration | None = None


class PromoteKeys(Strict):
    """What must hold, and who must agree, before a release goes up."""

    automatic: bool = False
    require: list[RequireKeys] = Field(default_factory=list)
    approvals: list[SignatureKeys] = Field(default_factory=list)


class RollbackKeys(Strict):
    """What must hold before a release that was live here comes back."""

    require: list[RequireKeys] = Field(default_factory=list)
    approvals: list[SignatureKeys] = Field(default_factory=list)


class ReviewKeys(Strict):
    """By when and by whom an emergency is looked at afterwards."""

    within: Duration
    from_: list[Person] = Field(alias="from", min_length=1)


class EmergencyKeys(Strict):
    """The loud way past `promote`."""

    ticket: Literal["required", "optional"] = "required"
    approvals: list[SignatureKeys] = Field(min_length=1)
    review: ReviewKeys


class GateKeys(Header):
    """A condition on a promotion."""

    kind: Literal["Gate"]
    name: Name
    promote: PromoteKeys
    rollback: RollbackKeys | None = None
    emergency: EmergencyKeys | None = None
