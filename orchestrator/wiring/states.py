"""How does an attempt reach the states in the store? Its own connection, and nobody else's.

The Pulumi CLI and the programs it runs see no database URL and no key: the service is in between.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from orchestrator.model.stacks import Writer
from orchestrator.model.work import Work
from orchestrator.pulumi.prepare import ServiceOf
from orchestrator.pulumi.service.service import StackService
from orchestrator.store.opening import open_folder
from orchestrator.trust.vault import Keys, StoreVault
from orchestrator.wiring.clock import SystemClock
from orchestrator.wiring.store_access import received


def states_from(variables: Mapping[str, str], *, only_looks: str = "") -> ServiceOf:
    """variables: as the attempt got them, with what `handed_over` added.

    only_looks: why nothing may be written; "" where it may.
    """
    url, libpq = received(variables)

    @contextmanager
    def service_of(work: Work) -> Iterator[StackService]:
        os.environ.update(libpq)  # executors pass on what is listed, and these are not
        folder = work.cache.parent
        store = open_folder(folder, url)
        try:
            yield StackService(
                store=store,
                vault=StoreVault(Keys.load(folder / "keys.json")),
                writer=writer_of(work),
                now=SystemClock().now,
                base=work.stack.base_version if work.stack else None,
                only_looks=only_looks,
            )
        finally:
            store.close()

    return service_of


def writer_of(work: Work) -> Writer:
    """Under which lease an attempt writes states."""
    return Writer(
        pipeline=work.run.pipeline,
        environment=work.run.environment,
        token=work.stack.lease_token if work.stack else 0,
        run=work.run.short if work.run.number else "",
        stage=work.stage,
        attempt=work.attempt,
    )
