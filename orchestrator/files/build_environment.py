"""How does a checked Environment document become the model's Environment?"""

from __future__ import annotations

from orchestrator.files.build_pipeline import limits_of, positions_of
from orchestrator.files.kinds.environment import EnvironmentKeys, LadderKeys
from orchestrator.files.yaml_reader import Document
from orchestrator.model.definitions import (
    Credentials,
    Environment,
    Ladder,
    Protect,
    StateBackend,
)


def environment_of(
    keys: EnvironmentKeys, document: Document, files: tuple[str, ...]
) -> Environment:
    """files: environment.yaml first, then all it extends, in order of reading."""
    credentials, protect, state = keys.credentials, keys.protect, keys.state
    return Environment(
        name=keys.name,
        vars=keys.vars,
        secrets=keys.secrets,
        credentials=Credentials(**{name: tuple(names) for name, names in credentials}),
        promote_from=_ladder(keys.promote_from),
        gate=keys.gate,
        protect=Protect(destroy=protect.destroy, types=tuple(protect.types)),
        state=StateBackend(backend=state.backend, mirror=state.mirror) if state else None,
        limits=limits_of(keys.limits),
        extends=tuple(keys.extends),
        positions=positions_of(document),
        files=files,
        position=document.place(()).value,
    )


def _ladder(keys: LadderKeys) -> Ladder:
    return Ladder(environments=tuple(keys.all or keys.any), any=bool(keys.any and not keys.all))
