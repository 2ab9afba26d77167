"""Where does a stack's state lie, and what can be asked there without a Pulumi process?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.model.stacks import StackName
from orchestrator.pulumi.service.cipher import StackCipher
from orchestrator.pulumi.service.deployments import taken_in
from orchestrator.pulumi.service.service import StackService
from orchestrator.pulumi.service.states import States


class StackPlace(Protocol):
    """One stack, in a folder or in the store."""

    @property
    def exists(self) -> bool: ...
    def deployment(self) -> Mapping[str, Any]:
        """Its state: resources, pending_operations, secrets_providers; {} for none."""
        ...

    def make(self) -> None:
        """It exists afterwards, empty."""
        ...

    def make_for_now(self) -> None:
        """It can be previewed; `unmake` ends that."""
        ...

    def unmake(self) -> None: ...
    def remove_dead_locks(self) -> tuple[str, ...]: ...
    def check_free(self) -> None:
        """Nothing, or an error in our words, where somebody else changes it: before any tool."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStack:
    """One stack of the store, while the service runs."""

    service: StackService
    name: StackName

    @property
    def _states(self) -> States:
        return self.service.states

    @property
    def exists(self) -> bool:
        with self._states.store.read() as tx:
            return tx.stack(self.name) is not None

    @property
    def cipher(self) -> StackCipher:
        return self._states.cipher(self.name)

    @property
    def refused(self) -> str:
        """Why the store refused a write of the update; "" while it refused none."""
        return self._states.refused

    def deployment(self) -> Mapping[str, Any]:
        with self._states.store.read() as tx:
            content = tx.deployment(self.name)
        if content is None:
            return {}
        found: Mapping[str, Any] = json.loads(content)["deployment"]
        return found

    def kept(self) -> Iterator[Mapping[str, Any]]:
        """The states of all versions that are kept, newest first."""
        with self._states.store.read() as tx:
            for version in tx.stack_versions(self.name):
                if content := tx.deployment(self.name, version.version):
                    yield json.loads(content)["deployment"]

    def replace(self, deployment: Mapping[str, Any]) -> None:
        """The state is this one. Raises BrokenDeployment, Fenced, Locked."""
        self._states.put(self.name, taken_in({"version": 3, "deployment": deployment}))

    def make(self) -> None:
        self._states.make(self.name, {})

    def make_for_now(self) -> None:
        self._states.imagine(self.name)

    def unmake(self) -> None:
        self._states.imagined.pop(self.name, None)

    def remove_dead_locks(self) -> tuple[str, ...]:
        """There are none: an update that cannot go on is ended by the next one."""
        return ()

    def check_free(self) -> None:
        """Raises Fenced, Locked, Refused."""
        states = self._states
        if self.exists:
            with states.store.read() as tx:
                tx.check_free(self.name, states.writer, states.now())

    def remove(self) -> None:
        self._states.remove(self.name)
