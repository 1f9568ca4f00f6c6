"""What is asked of a sync, and what came of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class Mode(enum.StrEnum):
    """How much is read.

    FULL reads every record and finds those that upstream no longer has. INCREMENTAL continues where
    the last pass ended. REFERENCE is FULL for the reference resources alone. FRESH looks only at the
    most recent changes of the event-bearing resources and moves no cursor.
    """

    FULL = "full"
    INCREMENTAL = "incremental"
    REFERENCE = "reference"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One sync as it was asked for.

    *only* are resource names; empty means all that the mode covers. *since* reads again everything
    modified from that instant on, whatever the cursors say. *accept_gone* lets a full sync mark more
    than a twentieth of a resource as gone, which otherwise waits for a person.
    """

    mode: Mode
    only: tuple[str, ...] = ()
    since: datetime | None = None
    accept_gone: bool = False
    triggered_by: str = "command"


@dataclass(slots=True)
class Tally:
    """How many records met which fate; they add up to *fetched*, but for *gone* and *cut*.

    *cut* counts single values shortened to fit a narrow column, *gone* rows that upstream no longer
    has, *suspect* rows that look gone but are too many to believe.
    """

    fetched: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    failed: int = 0
    cut: int = 0
    gone: int = 0
    suspect: int = 0
    requests: int = 0

    def add(self, other: Tally) -> None:
        """Add *other* to this tally, field by field."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def written(self) -> int:
        """How many rows were written."""
        return self.created + self.updated


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceReport:
    """What one resource's pass came to. *error* is empty when it is complete."""

    resource: str
    tally: Tally
    duration: timedelta
    error: str = ""

    @property
    def status(self) -> str:
        """``"completed"`` means complete: every page was read and every row stored or quarantined."""
        return "failed" if self.error else "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a whole sync came to, resource by resource in the order in which they ended."""

    request: Request
    resources: tuple[ResourceReport, ...] = field(default=())

    @property
    def is_complete(self) -> bool:
        """Whether every resource was completed."""
        return all(not resource.error for resource in self.resources)

    @property
    def total(self) -> Tally:
        """The tallies of all resources added up."""
        total = Tally()
        for resource in self.resources:
            total.add(resource.tally)
        return total
