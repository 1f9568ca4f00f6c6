"""The shape of a cycle while it is decided about, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from pcd.crm.desired import CycleState, Note, Outcome, Stage, Status
    from pcd.crm.facts import EstimateFacts, JobFacts
    from pcd.crm.work import Work


@dataclass(slots=True, kw_only=True)
class Cycle:
    """A customer's way to a decision, with the work that belongs to it; *state* is how it stood last."""

    number: int
    works: list[Work] = field(default_factory=list)
    state: CycleState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a cycle ended, and when, where that is known."""

    outcome: Outcome
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a cycle stands: what its opportunity shows, and where that comes from.

    *furthest* is the stage without a loss. *job* and *estimate* are what stage, name and value come from.
    *followup_at* is when the stage will move on by itself.
    """

    stage: Stage
    furthest: Stage
    status: Status
    value: Decimal | None
    job: JobFacts | None
    estimate: EstimateFacts | None
    ending: Ending | None
    is_sold: bool
    followup_at: datetime | None
    notes: tuple[Note, ...]
