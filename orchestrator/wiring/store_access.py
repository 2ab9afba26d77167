"""What does an attempt need to open the store? Over its socket, never to the disk."""

from __future__ import annotations

from collections.abc import Mapping

_OURS = "store:"  # no variable's name can begin so
_LIBPQ = "PG"


def handed_over(url: str, variables: Mapping[str, str]) -> dict[str, str]:
    """What is added to an attempt's variables: the database's URL, and what libpq asks for."""
    if url == "local":
        return {}
    known = {name: value for name, value in variables.items() if name.startswith(_LIBPQ)}
    return {f"{_OURS}{name}": value for name, value in {**known, "url": url}.items()}


def received(variables: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """(URL, variables for libpq), as `handed_over` put them in; the URL is "" where local."""
    ours = {k.removeprefix(_OURS): v for k, v in variables.items() if k.startswith(_OURS)}
    return ours.pop("url", ""), ours
