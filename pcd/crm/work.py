"""The shape of what moves an opportunity: a job with its estimates, or an estimate without a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pcd.crm.desired import Note
    from pcd.crm.facts import EstimateFacts, JobFacts

CANCELED = "Canceled"
COMPLETED = "Completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A job with the estimates that count, or the one estimate of none.

    *open_estimates* and *dismissed* ask for money, *sold* includes what was sold for nothing, *credits* are
    sold below zero. *estimate_ids* are of all, whether they count or not.
    """

    job: JobFacts | None = None
    open_estimates: tuple[EstimateFacts, ...] = ()
    sold: tuple[EstimateFacts, ...] = ()
    credits: tuple[EstimateFacts, ...] = ()
    dismissed: tuple[EstimateFacts, ...] = ()
    estimate_ids: tuple[int, ...] = ()
    created_at: datetime | None = None
    notes: tuple[Note, ...] = ()

    @property
    def job_id(self) -> int | None:
        """The job's id, None where there is none."""
        return self.job.id if self.job else None

    @property
    def is_install(self) -> bool:
        """Whether it is an install that takes place."""
        return self.job is not None and self.job.is_install and not self.is_canceled

    @property
    def is_canceled(self) -> bool:
        """Whether the job is canceled; its open estimates do not count then."""
        return self.job is not None and self.job.status == CANCELED

    @property
    def is_pending(self) -> bool:
        """Whether there is a job that is still to be done."""
        return self.job is not None and self.job.status not in {CANCELED, COMPLETED}

    @property
    def has_appointment(self) -> bool:
        """Whether somebody goes or went there."""
        visits = self.job.appointments if self.job and not self.is_canceled else ()
        return any(visit.start_at is not None and visit.status != CANCELED for visit in visits)

    @property
    def offered(self) -> tuple[EstimateFacts, ...]:
        """The open estimates that may still be sold."""
        return () if self.is_canceled else self.open_estimates


def earliest(instants: Iterable[datetime | None]) -> datetime | None:
    """Return the first of the instants that are known, None if none is."""
    return min((at for at in instants if at is not None), default=None)


def latest(instants: Iterable[datetime | None]) -> datetime | None:
    """Return the last of the instants that are known, None if none is."""
    return max((at for at in instants if at is not None), default=None)
