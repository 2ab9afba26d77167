"""What can be read and written in one transaction? `ports.Transaction`, part by part."""

from __future__ import annotations

from orchestrator.store.audit import Audit
from orchestrator.store.environments import Environments
from orchestrator.store.leases import Leases
from orchestrator.store.releases import Releases
from orchestrator.store.runs import Runs
from orchestrator.store.stacks import Stacks
from orchestrator.store.telling import Telling
from orchestrator.store.tickets import Tickets


class StoreTransaction(Leases, Tickets, Runs, Telling, Environments, Stacks, Releases, Audit):
    """One transaction over the store of a project; writes of a read transaction raise."""
