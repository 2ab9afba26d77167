"""What would a gate's rules be told, were this environment brought up now?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from orchestrator.core.gate_input import gate_input
from orchestrator.model.runs import Action, Plan
from orchestrator.model.values import Json
from orchestrator.services.app import App
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.plans import StagePlan, planned
from orchestrator.services.runs import asked_for
from orchestrator.services.sources import prepared


def input_of(
    app: App,
    *,
    pipeline: str,
    environment: str,
    say: Callable[[str], None],
    interrupts: Interrupts,
) -> dict[str, Json]:
    """A gate-input/v1 of an environment, which is planned for it. Raises as a plan does."""
    asked = asked_for(app, pipeline, environment, Action.APPLY)
    sources = prepared(app, *asked)
    plans = planned(app, *asked, sources, patterns=(), say=say, interrupts=interrupts)
    with app.store.read() as tx:
        _, name, _, _ = tx.release(sources.release)
    return gate_input(
        *asked,
        [(plan.stage, _told(plan)) for plan in plans],
        action=Action.APPLY.value,
        release=(name, sources.release),
        now=app.clock.now(),
    )


def _told(plan: StagePlan) -> Plan:
    """To rules a stage that cannot be planned is as open as one that is put off."""
    return replace(plan.plan, deferred=plan.error) if plan.error else plan.plan
