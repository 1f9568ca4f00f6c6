"""One execution of a workflow, as the database has it, and what an outcome makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Status(StrEnum):
    """Where an instance stands; the words of the old engine, and two of ours."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Matched, but never begun: the customer already had as many as the workflow allows."""


class StepStatus(StrEnum):
    """What became of one try of a step, as its record says."""

    COMPLETED = "completed"
    SKIPPED = "skipped"
    WAITING = "waiting"
    RETRIED = "retried"
    FAILED = "failed"
    BLOCKED = "blocked"
    DROPPED = "dropped"
    STOPPED = "stopped"
    LOST = "lost"
    """The process that took it did not live to say what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """The event that a step waits for: of which type, whose (``"entity"`` or ``"customer"``), and when."""

    event: str
    of: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A claimed instance. *attempt* is the fencing number of this claim, which no other claim shares.

    *step* is the number of the step to take, from 1. *starts* counts how often it was begun without an
    outcome that settles it, this time included; *is_fallback* says that its fallback is to be performed.
    *due_at* is the instant that it was due at; *awaited* is what the step waits for, once it does;
    *waited_until* is until when its action asked to wait, None unless it did.
    """

    id: UUID
    workflow: str
    version: str
    event_id: UUID
    event_type: str
    entity_type: str
    entity_id: int
    customer_id: int | None
    step: int
    starts: int
    attempt: int
    message_count: int
    started_at: datetime
    due_at: datetime
    is_fallback: bool = False
    awaited: Awaited | None = None
    waited_until: datetime | None = None
    context: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What an instance becomes, and what the record of the step says; *record* None means that none is due.

    *step* is the step to take next, *due_at* from when on, None where it ended or is paused. *starts* is
    what is remembered of its starts, *starts_allowed* how many it may have, None for as many as before.
    *reason* says why it ended, is paused or waits; *context* is laid over its context.
    """

    status: Status
    step: int
    record: StepStatus | None = None
    due_at: datetime | None = None
    starts: int = 0
    starts_allowed: int | None = None
    messages: int = 0
    is_fallback: bool = False
    reason: str = ""
    error: str = ""
    awaited: Awaited | None = None
    waited_until: datetime | None = None
    output: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    context: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
