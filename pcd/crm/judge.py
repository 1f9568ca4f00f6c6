"""Judge how one cycle stands: its stage, its value, whether it has ended. Pure."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, NamedTuple

from pcd.crm.cycle import Ending, Standing
from pcd.crm.desired import Note, Outcome, Pipeline, Stage
from pcd.crm.oddity import Oddity
from pcd.crm.settings import LONG_AGO
from pcd.crm.work import CANCELED, earliest, latest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from pcd.crm.cycle import Cycle
    from pcd.crm.desired import CycleState, Status
    from pcd.crm.facts import EstimateFacts, JobFacts
    from pcd.crm.settings import CrmSettings
    from pcd.crm.work import Work

_CENT = Decimal("0.01")
_NOTHING = Decimal("0.00")


def ending(works: Sequence[Work], state: CycleState | None) -> Ending | None:
    """Return how the cycle of *works* has ended, None while it goes on.

    When a loss happened nobody writes down: it is the last change of a dismissed estimate, as it was when the
    loss was first seen.
    """
    installs = [work for work in works if work.is_install]
    sold = _sold(works)
    if installs and not any(work.is_pending for work in installs):
        done_at = latest(work.job.completed_at for work in installs if work.job)
        return Ending(outcome=Outcome.INSTALLED, ended_at=earliest((done_at, _sold_at(sold))))
    if sold:
        return Ending(outcome=Outcome.WON, ended_at=_sold_at(sold))
    if installs or not _is_lost(works):
        return None
    if state is not None and state.outcome is Outcome.LOST and state.ended_at is not None:
        return Ending(outcome=Outcome.LOST, ended_at=state.ended_at)
    lost_at = latest(one.modified_at or one.created_at for work in works for one in work.dismissed)
    return Ending(outcome=Outcome.LOST, ended_at=lost_at)


def judge(cycle: Cycle, settings: CrmSettings, *, now: datetime) -> Standing:
    """Return how *cycle* stands *now*; its stage never goes back but when its sale was taken back."""
    works, state = cycle.works, cycle.state
    end = ending(works, state)
    sold, offered = _sold(works), [one for work in works for one in work.offered]
    lost = [one for work in works for one in work.dismissed]
    reached = _reached(works, offered, settings, now=now, is_sold=bool(sold))
    is_unsold = state is not None and state.was_sold and not sold
    furthest = reached.stage
    if state is not None and not (is_unsold and not any(work.is_install for work in works)):
        furthest = max(state.stage, reached.stage, key=lambda stage: (stage.rank, stage is reached.stage))
    is_lost = end is not None and end.outcome is Outcome.LOST
    estimate = _first(sold) or _first(offered) or (_first(lost) if is_lost else None)
    stage = Stage.ESTIMATE_LOST if is_lost else furthest
    return Standing(
        stage=stage,
        furthest=furthest,
        status=_status(stage, is_sold=bool(sold), settings=settings),
        value=_value(works, estimate, is_sold=bool(sold), stage=stage),
        job=_job(works, estimate),
        estimate=estimate,
        ending=end,
        is_sold=bool(sold),
        followup_at=reached.followup_at if stage is Stage.PROPOSAL_SENT else None,
        notes=_notes(cycle, furthest, is_lost=is_lost, is_unsold=is_unsold),
    )


class _Reached(NamedTuple):
    stage: Stage
    followup_at: datetime | None = None


def _reached(
    works: Sequence[Work],
    offered: Sequence[EstimateFacts],
    settings: CrmSettings,
    *,
    now: datetime,
    is_sold: bool,
) -> _Reached:
    """Return how far the facts alone have brought it, a loss aside."""
    installs = [work for work in works if work.is_install]
    if installs:
        under_way = [work for work in installs if work.is_pending] or installs
        return _Reached(max((_install_stage(work) for work in under_way), key=lambda stage: stage.rank))
    if is_sold:
        return _Reached(Stage.JOB_SOLD)
    if offered:
        sent_at = latest(one.created_at or one.modified_at for one in offered)
        if sent_at is None or settings.followup_after is None:
            return _Reached(Stage.PROPOSAL_SENT)
        followup_at = sent_at + settings.followup_after
        return _Reached(Stage.FOLLOW_UP) if followup_at <= now else _Reached(Stage.PROPOSAL_SENT, followup_at)
    if any(work.dismissed for work in works):
        return _Reached(Stage.PROPOSAL_SENT)
    is_booked = any(work.has_appointment for work in works)
    return _Reached(Stage.APPOINTMENT_SCHEDULED if is_booked else Stage.CONTACTED)


def _install_stage(work: Work) -> Stage:
    match work.job.status if work.job else None:
        case "Scheduled" | "Dispatched":
            return Stage.INSTALL_SCHEDULED if work.has_appointment else Stage.INSTALL_CREATED
        case "InProgress":
            return Stage.INSTALL_IN_PROGRESS
        case "Hold":
            return Stage.INSTALL_ON_HOLD
        case "Completed":
            return Stage.INSTALL_COMPLETED
        case _:
            return Stage.INSTALL_CREATED


def _is_lost(works: Iterable[Work]) -> bool:
    """Whether everything offered was turned down and nothing is left that might still be offered."""
    has_loss = False
    for work in works:
        if work.offered or (work.is_pending and not work.dismissed):
            return False
        has_loss = has_loss or bool(work.dismissed)
    return has_loss


def _sold(works: Iterable[Work]) -> list[EstimateFacts]:
    return [one for work in works for one in work.sold]


def _sold_at(sold: Iterable[EstimateFacts]) -> datetime | None:
    return earliest(one.sold_at or one.modified_at for one in sold)


def _first(estimates: Iterable[EstimateFacts]) -> EstimateFacts | None:
    """Return the highest of them; the newest of those that are equal."""
    return max(
        estimates, key=lambda one: (one.total or _NOTHING, one.created_at or LONG_AGO, one.id), default=None
    )


def _value(
    works: Iterable[Work], estimate: EstimateFacts | None, *, is_sold: bool, stage: Stage
) -> Decimal | None:
    if is_sold:
        total = sum(
            (one.total or _NOTHING for work in works for one in (*work.sold, *work.credits)), _NOTHING
        )
    elif estimate is not None:
        total = estimate.total or _NOTHING
    else:
        return _NOTHING if stage.rank >= Stage.PROPOSAL_SENT.rank else None
    return max(total, _NOTHING).quantize(_CENT, rounding=ROUND_HALF_UP)


def _job(works: Sequence[Work], estimate: EstimateFacts | None) -> JobFacts | None:
    """Return the job that it is about: the install furthest along, the estimate's, or the newest."""
    installs = [work for work in works if work.is_install]
    chosen = [work for work in installs if work.is_pending] or installs
    if chosen:
        return max(chosen, key=lambda work: (_install_stage(work).rank, *_age(work))).job
    for work in works:
        if estimate is not None and estimate.id in work.estimate_ids:
            return work.job
    there = [work for work in works if work.job and not work.is_canceled]
    booked = [work for work in there if work.has_appointment]
    return max(booked or there, key=_age).job if there else None


def _age(work: Work) -> tuple[datetime, int]:
    return (work.created_at or LONG_AGO, work.job_id or 0)


def _status(stage: Stage, *, is_sold: bool, settings: CrmSettings) -> Status:
    if stage is Stage.ESTIMATE_LOST:
        return "lost"
    if stage is Stage.INSTALL_COMPLETED:
        return "won"
    return settings.sold_status if is_sold else "open"


def _notes(cycle: Cycle, furthest: Stage, *, is_lost: bool, is_unsold: bool) -> tuple[Note, ...]:
    about = f"cycle {cycle.number}"
    notes = [note for work in cycle.works for note in work.notes]
    if is_unsold:
        notes.append(Note(oddity=Oddity.UNSOLD, about=about))
    if cycle.state is not None and cycle.state.outcome is Outcome.LOST and not is_lost:
        notes.append(Note(oddity=Oddity.REVIVED, about=about))
    has_install = any(work.is_install for work in cycle.works)
    if furthest.pipeline is Pipeline.INSTALL and not has_install:
        canceled = [work.job for work in cycle.works if work.job and work.job.status == CANCELED]
        notes += [
            Note(oddity=Oddity.INSTALL_CANCELED, about=f"job {job.id}") for job in canceled if job.is_install
        ]
    return tuple(notes)
