"""Is this the store that is meant? Its file, its row and the project's id must agree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from orchestrator.model.errors import StoreError, StoreMissing, WrongStore
from orchestrator.store import folders, records, schema
from orchestrator.store.database import postgresql_url, public_url
from orchestrator.store.schema import check_revision, revision_of, table
from orchestrator.store.store import StoreInfo

LOCAL = "local"
STORES = table(records.StoreRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What store.json says."""

    store: str
    project: str
    url: str  # "local", or the URL without its password


def about_of(folder: Path, project_id: str, url: str) -> About:
    """store.json, if it is of this project and of the place that is asked for."""
    try:
        about = about_in(folder)
    except FileNotFoundError:
        raise _missing(folder, project_id, url) from None
    if about.project != project_id:
        raise WrongStore(
            f"{folder} is the store of project {about.project}, not of {project_id}.",
            holds="Nothing was changed.",
            next="Each project has a folder of its own; move this one back to where it belongs.",
        )
    if (about.url == LOCAL) != (url == LOCAL):
        raise WrongStore(
            f"the store of {project_id} in {folder} is {about.url}; orchestrator.yaml says "
            f"{shown(url)}.",
            holds="Nothing was changed.",
            next=f"Write `store: {about.url}` in orchestrator.yaml.",
        )
    return about


def about_in(folder: Path) -> About:
    """store.json as it is. Raises FileNotFoundError, StoreError."""
    try:
        told = json.loads((folder / folders.ABOUT).read_text())
        return About(store=told["store"], project=told["project"], url=told["url"])
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{folder / folders.ABOUT} cannot be read ({error}).",
            holds="Nothing was changed.",
            next="Restore it from a backup.",
        ) from error


def _missing(folder: Path, project_id: str, url: str) -> StoreMissing:
    if folder.exists():
        what = f"{folder} holds no {folders.ABOUT}: it is not a whole store of {project_id}."
    else:
        what = f"project {project_id} has no store on this machine ({folder} does not exist)."
    join = "" if url == LOCAL else " --key FILE"
    return StoreMissing(
        what,
        holds="Nothing was created.",
        next=(
            "If the project is new, make one with `orchestrator store init`. If its store is on "
            f"another machine, do not make a second one: use it there, or join it with "
            f"`orchestrator store join{join}` (PostgreSQL) or bring its folder here."
        ),
    )


def info_of(
    connection: Connection, project_id: str, *, where: str, may_be_older: bool = False
) -> StoreInfo | None:
    """None where the database has no schema of ours, or not this project.

    Raises StoreError for a schema that is newer than ours, and, unless told, for an older one.
    """
    revision = revision_of(connection)
    if not revision:
        return None
    if not (may_be_older and revision in schema.REVISIONS):
        check_revision(revision, where)
    row = connection.execute(select(STORES).where(STORES.c.project == project_id)).first()
    if row is None:
        return None
    return StoreInfo(
        id=row.store,
        project=row.project,
        protected=row.protected,
        revision=revision,
        created_at=row.created_at,
    )


def check_identity(about: About, info: StoreInfo | None, where: str) -> StoreInfo:
    """The info, where folder and database are one store. Raises WrongStore."""
    if info is None:
        raise WrongStore(
            f"{where} does not know project {about.project}.",
            holds="Nothing was changed.",
            next=(
                "See that `store:` in orchestrator.yaml leads to the right database. If a first "
                "`store init` was cut off here, remove this machine's folder and run it again."
            ),
        )
    if info.id != about.store:
        raise WrongStore(
            f"the database in {where} is store {info.id[:8]} of {about.project}; this machine's "
            f"folder belongs to store {about.store[:8]}.",
            holds="Nothing was changed.",
            next="See that `store:` in orchestrator.yaml leads to the right database.",
        )
    return info


def shown(url: str) -> str:
    """The URL as files and people may see it: without any password."""
    return url if url == LOCAL else public_url(postgresql_url(url))
