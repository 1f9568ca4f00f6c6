"""Leave out of a customer's facts what the switches keep out of GoHighLevel. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcd.crm.desired import CycleState
    from pcd.crm.facts import CustomerFacts
    from pcd.crm.settings import CrmSettings

ASKED_FOR: Final = frozenset({"backfill", "command"})
"""Customers whom a person had taken in are shown whole, whatever the switches say."""


def restrict(
    facts: CustomerFacts, history: Sequence[CycleState], settings: CrmSettings
) -> CustomerFacts | None:
    """Return *facts* without what ``ghl.auto_sync_*`` keeps out.

    None: what is kept out now was shown before. To leave it out would look as if a sale had been taken back,
    so the customer is left as he is until the switch is on again.
    """
    if not settings.auto_sync_jobs and facts.jobs:
        if any(cycle.job_ids for cycle in history):
            return None
        facts = replace(facts, jobs=())
    if not settings.auto_sync_estimates and facts.estimates:
        if any(cycle.estimate_ids for cycle in history):
            return None
        facts = replace(facts, estimates=())
    return facts
