"""Put a customer's estimates to their jobs and tell which of them count. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from pcd.crm.desired import Note
from pcd.crm.oddity import Oddity
from pcd.crm.settings import LONG_AGO
from pcd.crm.work import CANCELED, COMPLETED, Work, earliest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pcd.crm.desired import CycleState
    from pcd.crm.facts import CustomerFacts, EstimateFacts, JobFacts

_JOB_STATUSES = frozenset({"Scheduled", "Dispatched", "InProgress", "Hold", COMPLETED, CANCELED})
_ESTIMATE_STATUSES = frozenset({"Open", "Sold", "Dismissed"})


def gather(facts: CustomerFacts, history: Sequence[CycleState] = ()) -> tuple[Work, ...]:
    """Return everything that may move an opportunity of the customer, the oldest first.

    What an opportunity is about by *history* goes on counting when its business unit is switched off: to
    leave it out would look as if the sale had been taken back.
    """
    shown = {cycle.estimate_id for cycle in history}
    jobs = {job.id: job for job in facts.jobs}
    of_job: dict[int, list[EstimateFacts]] = defaultdict(list)
    works = []
    for given in sorted(facts.estimates, key=lambda one: one.id):
        estimate = replace(given, is_pushed=True) if given.id in shown else given
        if estimate.job_id in jobs:
            of_job[jobs[estimate.job_id].id].append(estimate)
        else:
            works.append(_work(None, [estimate]))
    works += [_work(job, of_job[job.id]) for job in jobs.values()]
    return tuple(sorted(works, key=_order))


def _order(work: Work) -> tuple[datetime, int, int]:
    return (work.created_at or LONG_AGO, work.job_id or 0, min(work.estimate_ids, default=0))


def _work(job: JobFacts | None, estimates: Sequence[EstimateFacts]) -> Work:
    notes = []
    counted = []
    for estimate in estimates:
        oddity = _oddity(estimate)
        if oddity is not None:
            notes.append(Note(oddity=oddity, about=f"estimate {estimate.id}"))
        elif job is None:
            notes.append(Note(oddity=Oddity.ESTIMATE_WITHOUT_JOB, about=f"estimate {estimate.id}"))
        if oddity not in _LEFT_OUT:
            counted.append(estimate)
    if job is not None and job.status not in _JOB_STATUSES:
        notes.append(Note(oddity=Oddity.STRANGE_JOB, about=f"job {job.id}"))
    return Work(
        job=job,
        open_estimates=tuple(each for each in counted if each.status == "Open" and _sign(each) > 0),
        sold=tuple(each for each in counted if each.status == "Sold" and _sign(each) >= 0),
        credits=tuple(each for each in counted if each.status == "Sold" and _sign(each) < 0),
        dismissed=tuple(each for each in counted if each.status == "Dismissed" and _sign(each) > 0),
        estimate_ids=tuple(each.id for each in estimates),
        created_at=job.created_at if job else earliest(each.created_at for each in estimates),
        notes=tuple(notes),
    )


_LEFT_OUT = frozenset({Oddity.UNIT_OFF, Oddity.STRANGE_ESTIMATE, Oddity.NO_AMOUNT})


def _oddity(estimate: EstimateFacts) -> Oddity | None:
    if not estimate.is_pushed:
        return Oddity.UNIT_OFF
    if estimate.status not in _ESTIMATE_STATUSES:
        return Oddity.STRANGE_ESTIMATE
    if estimate.total is None:
        return Oddity.NO_AMOUNT
    if estimate.total < 0:
        return Oddity.NEGATIVE_ESTIMATE
    return Oddity.ZERO_ESTIMATE if estimate.total == 0 else None


def _sign(estimate: EstimateFacts) -> int:
    """Return 1 for a total above zero, -1 for one below, else 0."""
    total = estimate.total
    return 0 if total is None else (total > 0) - (total < 0)
