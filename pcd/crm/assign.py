"""Decide which cycle each piece of work belongs to. Pure.

A customer's first cycle begins with the customer. Work joins the newest cycle unless that had ended when
the work began; then it opens the next one. An install joins the sale that it carries out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.crm.cycle import Cycle
from pcd.crm.desired import Outcome
from pcd.crm.judge import ending
from pcd.crm.settings import LONG_AGO
from pcd.crm.work import earliest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from pcd.crm.desired import CycleState
    from pcd.crm.settings import CrmSettings
    from pcd.crm.work import Work


def assign(
    works: Sequence[Work],
    history: Sequence[CycleState],
    settings: CrmSettings,
    *,
    is_new: bool,
    may_open: bool,
) -> list[Cycle]:
    """Return the customer's cycles in order, each with its part of *works* (the oldest first).

    Work that *history* knows stays where it was. Of the rest only what is news takes part: what was over
    before `CrmSettings.since` belongs to no cycle. *is_new* customers have a first cycle even without any
    work. Without *may_open* no further cycle begins.
    """
    cycles = [Cycle(number=state.number, state=state) for state in sorted(history, key=lambda s: s.number)]
    rest = _place_known(works, cycles)
    if not settings.allow_duplicate_opportunity:
        _join_revived(cycles)
    news = {id(work) for work in rest if _is_news(work, settings)}
    news |= {id(sale) for work in rest if id(work) in news for sale in _sales_of(work, rest)}
    if is_new and may_open and not cycles:
        cycles.append(Cycle(number=1))
    for work in rest:
        if id(work) not in news:
            continue
        cycle = _home(work, cycles)
        if cycle is None and may_open:
            cycle = Cycle(number=cycles[-1].number + 1 if cycles else 1)
            cycles.append(cycle)
        if cycle is not None:
            cycle.works.append(work)
    return cycles


def _place_known(works: Iterable[Work], cycles: Sequence[Cycle]) -> list[Work]:
    """Put the work that a cycle's state names into it; return the rest."""
    jobs = {job: cycle for cycle in cycles if cycle.state for job in cycle.state.job_ids}
    estimates = {one: cycle for cycle in cycles if cycle.state for one in cycle.state.estimate_ids}
    rest = []
    for work in works:
        homes = [jobs.get(work.job_id or 0), *(estimates.get(one) for one in work.estimate_ids)]
        home = next((cycle for cycle in homes if cycle is not None), None)
        if home is None:
            rest.append(work)
        else:
            home.works.append(work)
    return rest


def _join_revived(cycles: Sequence[Cycle]) -> None:
    """Move a lost cycle's work to the newest cycle when it lives again: its opportunity is another's now."""
    for cycle in cycles[:-1]:
        state = cycle.state
        if state is None or state.outcome is not Outcome.LOST or not cycle.works:
            continue
        end = ending(cycle.works, state)
        if end is None or end.outcome is not Outcome.LOST:
            cycles[-1].works.extend(cycle.works)
            cycle.works = []


def _is_news(work: Work, settings: CrmSettings) -> bool:
    since = settings.since
    estimates = (*work.open_estimates, *work.sold, *work.dismissed)
    begun = [work.created_at, *(one.created_at for one in estimates), *(one.sold_at for one in work.sold)]
    if any(at is None or at >= since for at in (work.created_at, *_known(begun))):
        return True
    if work.job is not None and work.is_pending:
        touched = [work.job.modified_at, *(visit.modified_at for visit in work.job.appointments)]
        if any(at >= since for at in _known(touched)):
            return True
    limit = settings.backfill_since
    if limit is None:
        return False
    is_under_way = work.is_pending or bool(work.offered)
    return is_under_way and any(at >= limit for at in _known(begun))


def _known(instants: Iterable[datetime | None]) -> Iterable[datetime]:
    return (at for at in instants if at is not None)


def _sales_of(work: Work, rest: Sequence[Work]) -> list[Work]:
    """Return the work whose sale the install *work* carries out, itself perhaps no news."""
    if not work.is_install:
        return []
    linked = [one for one in rest if one is not work and one.sold and _is_linked(work, one)]
    if linked or _names_its_sale(work):
        return linked
    carried_out = {one for other in rest if other.is_install for one in _named(other)}
    sales = [
        one
        for one in rest
        if one is not work
        and one.sold
        and not one.is_install
        and not carried_out & set(one.estimate_ids)
        and _sold_at(one) <= (work.created_at or LONG_AGO)
    ]
    return [max(sales, key=_sold_at)] if sales else []


def _home(work: Work, cycles: Sequence[Cycle]) -> Cycle | None:
    """Return the cycle that *work* joins, None if it opens one."""
    if work.is_install:
        return _home_of_install(work, cycles)
    newest = cycles[-1] if cycles else None
    return newest if newest is not None and _is_open_at(newest, work.created_at) else None


def _home_of_install(work: Work, cycles: Sequence[Cycle]) -> Cycle | None:
    for cycle in reversed(cycles):
        if any(_is_linked(work, other) for other in cycle.works):
            return cycle
    bare = [cycle for cycle in cycles if _has_sale(cycle) and not _has_install(cycle)]
    before = [cycle for cycle in bare if _sale_of(cycle) <= (work.created_at or LONG_AGO)]
    if before:
        return max(before, key=lambda cycle: (_sale_of(cycle), cycle.number))
    for cycle in reversed(cycles):
        if any(other.is_install and other.is_pending for other in cycle.works):
            return cycle
    return cycles[-1] if cycles and _is_open_at(cycles[-1], work.created_at) else None


def _is_open_at(cycle: Cycle, at: datetime | None) -> bool:
    end = ending(cycle.works, cycle.state)
    return end is None or (at is not None and end.ended_at is not None and at < end.ended_at)


def _is_linked(work: Work, other: Work) -> bool:
    """Whether ServiceTitan says that they belong together: by the estimate it was made from, or a project."""
    if _named(work) & set(other.estimate_ids) or _named(other) & set(work.estimate_ids):
        return True
    project = work.job.project_id if work.job else None
    return project is not None and other.job is not None and other.job.project_id == project


def _names_its_sale(work: Work) -> bool:
    return bool(_named(work)) or (work.job is not None and work.job.project_id is not None)


def _named(work: Work) -> set[int]:
    made_from = work.job.created_from_estimate_id if work.job else None
    return set() if made_from is None else {made_from}


def _has_sale(cycle: Cycle) -> bool:
    return any(work.sold for work in cycle.works)


def _has_install(cycle: Cycle) -> bool:
    return any(work.is_install for work in cycle.works)


def _sale_of(cycle: Cycle) -> datetime:
    return max((_sold_at(work) for work in cycle.works if work.sold), default=LONG_AGO)


def _sold_at(work: Work) -> datetime:
    return earliest(one.sold_at or one.modified_at for one in work.sold) or LONG_AGO
