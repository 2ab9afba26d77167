"""Which keys may a Project have?"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from orchestrator.files.kinds.common import Header, Name, complaint
from orchestrator.files.words import shown


def _store(value: Any) -> str:
    if isinstance(value, str) and re.match(r"local$|postgres(ql)?://.", value):
        return value
    raise complaint(f"must be local or a postgresql:// URL, not {shown(value)}")


class ProjectKeys(Header):
    """The project as a whole: who it is, where its records are, what is protected."""

    kind: Literal["Project"]
    id: Name
    store: Annotated[str, BeforeValidator(_store)] = "local"
    protected: str = ""
