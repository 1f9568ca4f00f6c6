"""Decide what should stand in GoHighLevel for one customer. Pure: facts in, `Desired` out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pcd.crm import normalize
from pcd.crm.assign import assign
from pcd.crm.desired import CycleState, Desired, DesiredContact, DesiredOpportunity, Note, Outcome, Pipeline
from pcd.crm.gather import gather
from pcd.crm.judge import judge
from pcd.crm.oddity import Oddity
from pcd.crm.work import earliest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from pcd.crm.cycle import Cycle, Standing
    from pcd.crm.facts import CustomerFacts, JobFacts
    from pcd.crm.settings import CrmSettings

T = TypeVar("T")

BACKFILL_TAG = "servicetitan-backfill"
"""What a contact made by a backfill is tagged with, so that an automation there can leave it out."""
_JOB_LINK = "https://go.servicetitan.com/#/Job/Index/{id}"


def desire(
    facts: CustomerFacts,
    settings: CrmSettings,
    *,
    now: datetime,
    history: Sequence[CycleState] = (),
    is_linked: bool = False,
) -> Desired:
    """Return what should stand in GoHighLevel for the customer of *facts*.

    *history* is what the last `Desired` said to remember. *is_linked*: a contact is stored as the customer's,
    or its creation is owed; it is kept in step even where none would be made. The order of jobs, estimates
    and appointments does not matter.
    """
    if facts.merged_into is not None:
        return _merged(facts, settings, now=now, history=history)
    may_open = facts.is_active and not facts.do_not_service
    is_new = facts.created_at is None or facts.created_at >= settings.since
    cycles = assign(gather(facts, history), history, settings, is_new=is_new, may_open=may_open)
    standings = {cycle.number: judge(cycle, settings, now=now) for cycle in cycles}
    contact, notes = _contact(facts, settings)
    is_wanted = is_linked or (facts.is_active and (bool(cycles) or is_new or _is_backfill(settings)))
    has_contact = is_linked or (is_wanted and bool(contact.email or contact.phone))
    shown, more = _shown(cycles, standings, settings)
    opportunities, of_work = _opportunities(facts, shown, standings, settings)
    return Desired(
        customer_id=facts.id,
        contact=contact if has_contact else None,
        opportunities=opportunities if has_contact else (),
        history=tuple(_state(cycle, standings[cycle.number], shown) for cycle in cycles),
        notes=_distinct((*notes, *more, *of_work)),
        one_opportunity=not settings.allow_duplicate_opportunity,
        reconsider_at=earliest(standings[cycle.number].followup_at for cycle in shown),
    )


def _merged(
    facts: CustomerFacts, settings: CrmSettings, *, now: datetime, history: Sequence[CycleState]
) -> Desired:
    """Return what becomes of a customer who is another one now: nothing new."""
    cycles = assign(gather(facts, history), history, settings, is_new=False, may_open=False)
    standings = {cycle.number: judge(cycle, settings, now=now) for cycle in cycles}
    shown, _ = _shown(cycles, standings, settings)
    kept, notes = _opportunities(facts, [c for c in shown if c.works], standings, settings)
    left = [c for c in shown if not c.works and c.state is not None and c.state.outcome is not Outcome.LOST]
    given_up = (DesiredOpportunity(cycle=cycle.number, status="abandoned") for cycle in left)
    return Desired(
        customer_id=facts.id,
        opportunities=tuple(sorted((*kept, *given_up), key=lambda one: one.cycle)),
        history=tuple(
            _state(cycle, standings[cycle.number], shown)
            if cycle.works or cycle.state is None
            else cycle.state
            for cycle in cycles
        ),
        notes=_distinct((Note(oddity=Oddity.MERGED, about=f"customer {facts.merged_into}"), *notes)),
        one_opportunity=not settings.allow_duplicate_opportunity,
        reconsider_at=earliest(standings[cycle.number].followup_at for cycle in shown),
    )


def _contact(facts: CustomerFacts, settings: CrmSettings) -> tuple[DesiredContact, list[Note]]:
    name = normalize.name(facts.name, first=facts.first_name, last=facts.last_name, kind=facts.type)
    if not name.whole:
        name = normalize.name(f"Customer {facts.id}", kind="Commercial")
    phone = _usable(facts.phone, facts.phones, lambda text: normalize.phone(text, settings.country))
    email = _usable(facts.email, facts.emails, normalize.email)
    customer_field = settings.custom_fields.customer
    contact = DesiredContact(
        customer_id=facts.id,
        name=name.whole,
        first_name=name.first,
        last_name=name.last,
        email=email,
        phone=phone.e164 if phone else None,
        street=normalize.clean(facts.street),
        city=normalize.clean(facts.city),
        state=normalize.clean(facts.state),
        zip=normalize.clean(facts.zip),
        country=normalize.country(facts.country),
        do_not_contact=facts.do_not_contact,
        tags=(BACKFILL_TAG,) if _is_backfill(settings) else (),
        custom_fields={customer_field: str(facts.id)} if customer_field else {},
        other_emails=_others((normalize.email(one) for one in facts.emails), email),
        other_phones=_others(
            (normalize.e164(one, settings.country) for one in facts.phones), phone.e164 if phone else None
        ),
    )
    return contact, [Note(oddity=one) for one in _oddities(facts, phone=phone, email=email)]


def _usable(first: str | None, further: Iterable[str], read: Callable[[str | None], T | None]) -> T | None:
    """Return the first key that *read* can make use of, None where none is."""
    return next((found for text in (first, *further) if (found := read(text)) is not None), None)


def _others(keys: Iterable[str | None], shown: str | None) -> tuple[str, ...]:
    """Return the usable ones of *keys* but the one *shown*, each once."""
    return tuple(dict.fromkeys(key for key in keys if key and key != shown))


def _oddities(facts: CustomerFacts, *, phone: normalize.Phone | None, email: str | None) -> Iterable[Oddity]:
    given = normalize.clean(facts.name) or normalize.clean(f"{facts.first_name}{facts.last_name}")
    met = {
        Oddity.NO_NAME: not given,
        Oddity.NAME_WITHOUT_LETTERS: bool(given) and not normalize.has_letters(given),
        Oddity.LONG_NAME: len(given) > normalize.LONGEST_NAME,
        Oddity.BROKEN_PHONE: bool((facts.phone or "").strip()) and phone is None,
        Oddity.FOREIGN_PHONE: phone is not None and phone.is_foreign,
        Oddity.PHONE_EXTENSION: phone is not None and phone.has_extension,
        Oddity.BROKEN_EMAIL: bool((facts.email or "").strip()) and email is None,
        Oddity.NO_KEY: phone is None and email is None,
        Oddity.DO_NOT_CONTACT: facts.do_not_contact,
        Oddity.DO_NOT_SERVICE: facts.do_not_service,
        Oddity.INACTIVE: not facts.is_active,
    }
    return (oddity for oddity, is_met in met.items() if is_met)


def _shown(
    cycles: Sequence[Cycle], standings: Mapping[int, Standing], settings: CrmSettings
) -> tuple[Sequence[Cycle], list[Note]]:
    """Return the cycles that have an opportunity: all, or the one that the account has room for.

    A cycle whose opportunity was taken over stays without one when there is room again, unless it revives.
    """
    if settings.allow_duplicate_opportunity:
        return [c for c in cycles if not _was_replaced(c) or standings[c.number].ending is None], []
    if len(cycles) < 2:
        return cycles, []
    newest = cycles[-1]
    installing = [c for c in cycles if any(work.is_install and work.is_pending for work in c.works)]
    if installing and installing[-1] is not newest:
        return installing[-1:], [Note(oddity=Oddity.WAITS, about=f"cycle {newest.number}")]
    is_reset = any(cycle.state is not None for cycle in cycles[:-1])
    return [newest], [Note(oddity=Oddity.RESET, about=f"cycle {newest.number}")] if is_reset else []


def _was_replaced(cycle: Cycle) -> bool:
    return cycle.state is not None and cycle.state.was_replaced


def _opportunities(
    facts: CustomerFacts,
    cycles: Iterable[Cycle],
    standings: Mapping[int, Standing],
    settings: CrmSettings,
) -> tuple[tuple[DesiredOpportunity, ...], list[Note]]:
    found: list[DesiredOpportunity] = []
    notes: list[Note] = []
    for cycle in cycles:
        standing = standings[cycle.number]
        notes += standing.notes
        fields, strange = _custom_fields(standing.job, settings)
        notes += strange
        if standing.stage not in settings.stages:
            notes.append(Note(oddity=Oddity.NO_STAGE, about=f"stage {standing.stage}"))
        found.append(
            DesiredOpportunity(
                cycle=cycle.number,
                status=standing.status,
                stage=standing.stage,
                name=_name(facts, cycle.number, standing),
                value=standing.value,
                custom_fields=fields,
                job_id=standing.job.id if standing.job else None,
                estimate_id=standing.estimate.id if standing.estimate else None,
            )
        )
    return tuple(found), notes


def _name(facts: CustomerFacts, cycle: int, standing: Standing) -> str:
    """Return what the opportunity is called: as the old system called it, by customer, matter and value."""
    if standing.stage.pipeline is Pipeline.INSTALL and standing.job is not None:
        matter = f"Install Job #{standing.job.number}{_money(standing.value)}"
    elif standing.estimate is not None:
        title = normalize.shorten(normalize.clean(standing.estimate.name) or "Estimate", 120)
        matter = f"{title}{_money(standing.value)}"
    elif standing.job is not None and cycle > 1:
        matter = f"Job #{standing.job.number}"
    else:
        matter = "New Customer Qualifying"
    end = f" - {matter}"
    whole = normalize.clean(facts.name) or f"Customer {facts.id}"
    return f"{normalize.shorten(whole, normalize.LONGEST_NAME - len(end))}{end}"


def _money(value: Decimal | None) -> str:
    return f" - ${value:,.2f}".removesuffix(".00") if value else ""


def _custom_fields(
    job: JobFacts | None, settings: CrmSettings
) -> tuple[dict[str, str | tuple[str, ...]], list[Note]]:
    """Return the link to the job and its technicians, as far as the account has fields for them."""
    fields: dict[str, str | tuple[str, ...]] = {}
    notes = []
    if settings.custom_fields.job is not None and job is not None:
        fields[settings.custom_fields.job] = _JOB_LINK.format(id=job.id)
    lists = settings.custom_fields.technicians if settings.technicians else {}
    chosen: dict[str, set[str]] = {each.id: set() for each in lists.values()}
    for technician_id in job.technician_ids if job and chosen else ():
        technician = settings.technicians.get(technician_id)
        pick_list = lists.get(technician.role) if technician else None
        if technician is None:
            notes.append(Note(oddity=Oddity.UNKNOWN_TECHNICIAN, about=f"technician {technician_id}"))
        elif pick_list is None or technician.option not in pick_list.options:
            notes.append(Note(oddity=Oddity.UNKNOWN_OPTION, about=f"technician {technician_id}"))
        else:
            chosen[pick_list.id].add(technician.option)
    return fields | {each: tuple(sorted(options)) for each, options in chosen.items()}, notes


def _state(cycle: Cycle, standing: Standing, shown: Sequence[Cycle]) -> CycleState:
    """Return what is to be remembered of a cycle; work that has gone is not forgotten."""
    is_shown = any(one is cycle for one in shown)
    known = cycle.state or CycleState(number=cycle.number)
    jobs = {work.job_id for work in cycle.works if work.job_id is not None}
    estimates = {one for work in cycle.works for one in work.estimate_ids}
    return CycleState(
        number=cycle.number,
        job_ids=tuple(sorted(jobs.union(known.job_ids))),
        estimate_ids=tuple(sorted(estimates.union(known.estimate_ids))),
        stage=standing.furthest,
        was_sold=standing.is_sold,
        outcome=standing.ending.outcome if standing.ending else None,
        ended_at=standing.ending.ended_at if standing.ending else None,
        job_id=standing.job.id if standing.job else None,
        estimate_id=standing.estimate.id if standing.estimate else None,
        was_replaced=not is_shown and (_was_replaced(cycle) or cycle.number < shown[-1].number),
    )


def _is_backfill(settings: CrmSettings) -> bool:
    return settings.backfill_since is not None


def _distinct(notes: Iterable[Note]) -> tuple[Note, ...]:
    return tuple(sorted(set(notes), key=lambda note: (list(Oddity).index(note.oddity), note.about)))
