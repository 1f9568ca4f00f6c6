"""The shapes of what should stand in GoHighLevel for one customer, and of what is remembered about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from pcd.crm.oddity import Oddity

Status: TypeAlias = Literal["open", "won", "lost", "abandoned"]
"""The status of an opportunity, in GoHighLevel's words."""


class Pipeline(StrEnum):
    """A pipeline, named as in ``[ghl.pipelines]``."""

    SALES = "sales"
    INSTALL = "install"


class Stage(StrEnum):
    """A stage, named as in ``[ghl.pipelines.*.stages]``."""

    NEW_LEAD = "new_lead"
    CONTACTED = "contacted"
    APPOINTMENT_SCHEDULED = "appointment_scheduled"
    PROPOSAL_SENT = "appointment_completed_proposal_sent"
    FOLLOW_UP = "estimate_followup"
    JOB_SOLD = "job_sold"
    ESTIMATE_LOST = "estimate_lost"
    INSTALL_CREATED = "estimate_approved_job_created"
    INSTALL_PLANNED = "pre_install_planning_permitting"
    INSTALL_SCHEDULED = "scheduled_ready_for_install"
    INSTALL_IN_PROGRESS = "in_progress_on_site"
    INSTALL_ON_HOLD = "on_hold_return_visit_needed"
    INSTALL_COMPLETED = "job_completed"

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that the stage belongs to."""
        return Pipeline.INSTALL if self in _INSTALL else Pipeline.SALES

    @property
    def rank(self) -> int:
        """How far along it is; a job on hold is as far along as one in progress. A loss is no progress: 0."""
        return _RANKS[self]


_INSTALL = frozenset(
    {
        Stage.INSTALL_CREATED,
        Stage.INSTALL_PLANNED,
        Stage.INSTALL_SCHEDULED,
        Stage.INSTALL_IN_PROGRESS,
        Stage.INSTALL_ON_HOLD,
        Stage.INSTALL_COMPLETED,
    }
)
_RANKS: Mapping[Stage, int] = MappingProxyType(
    {
        Stage.ESTIMATE_LOST: 0,
        Stage.NEW_LEAD: 0,
        Stage.CONTACTED: 1,
        Stage.APPOINTMENT_SCHEDULED: 2,
        Stage.PROPOSAL_SENT: 3,
        Stage.FOLLOW_UP: 4,
        Stage.JOB_SOLD: 5,
        Stage.INSTALL_CREATED: 6,
        Stage.INSTALL_PLANNED: 7,
        Stage.INSTALL_SCHEDULED: 8,
        Stage.INSTALL_IN_PROGRESS: 9,
        Stage.INSTALL_ON_HOLD: 9,
        Stage.INSTALL_COMPLETED: 10,
    }
)


class Outcome(StrEnum):
    """How a cycle ended. It goes on following its own jobs, but takes no new ones."""

    WON = "won"
    LOST = "lost"
    INSTALLED = "installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleState:
    """What is remembered of one cycle: a customer's way from the first contact to a decision.

    *number* counts from 1. *estimate_ids* are all of its estimates, those without a job too. *stage* is the
    furthest that it reached, a loss aside; it never goes back but when a sale is taken back. *job_id* and
    *estimate_id* are what its opportunity is about. *was_replaced*: a later cycle took over its opportunity.
    """

    number: int
    job_ids: tuple[int, ...] = ()
    estimate_ids: tuple[int, ...] = ()
    stage: Stage = Stage.CONTACTED
    was_sold: bool = False
    outcome: Outcome | None = None
    ended_at: datetime | None = None
    job_id: int | None = None
    estimate_id: int | None = None
    was_replaced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredContact:
    """The contact as it should be. None and "" in an address or a key mean that nothing is said about it.

    The other e-mails and phones of the customer are not shown; a contact is recognised by them.
    """

    customer_id: int
    name: str
    first_name: str
    last_name: str
    email: str | None = None
    phone: str | None = None
    street: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    country: str = ""
    do_not_contact: bool = False
    tags: tuple[str, ...] = ()
    custom_fields: Mapping[str, str] = field(default_factory=dict)
    other_emails: tuple[str, ...] = ()
    other_phones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredOpportunity:
    """The opportunity of one cycle as it should be; None means that nothing is said about it.

    *job_id* and *estimate_id* are where stage and value come from. *custom_fields* go by their id.
    """

    cycle: int
    status: Status
    stage: Stage | None = None
    name: str | None = None
    value: Decimal | None = None
    custom_fields: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    job_id: int | None = None
    estimate_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something worth telling about a decision: which *oddity*, about which row (``"estimate 12"``)."""

    oddity: Oddity
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Everything that should stand in GoHighLevel for one customer.

    No *contact*: none is to be made, and one that is there is left alone. *opportunities* stand in the order
    of their cycles; with *one_opportunity* there is one at most, which reuses that of an earlier cycle.
    *history* is to be stored with whatever follows from this, and passed in next time.
    *reconsider_at* is when time alone will change the outcome, None for never.
    """

    customer_id: int
    contact: DesiredContact | None = None
    opportunities: tuple[DesiredOpportunity, ...] = ()
    history: tuple[CycleState, ...] = ()
    notes: tuple[Note, ...] = ()
    one_opportunity: bool = False
    reconsider_at: datetime | None = None


Fields: TypeAlias = "Mapping[str, Any]"
"""A contact's or an opportunity's fields, flat and ready for JSON, under GoHighLevel's own names.

Custom fields stand under ``customFields.<id>``, ``monetaryValue`` is a text with two places.
"""
