"""Finds the contact that a customer is, among our copies: without asking GoHighLevel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pcd.crm.calls import Applied, AppliedOpportunity, Current
from pcd.crm.diff import contact_shown, opportunity_shown
from pcd.crm.match import Adopt, Candidate, Conflict, Keys, Linked, match
from pcd.db import queries
from pcd.ghl import decode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pcd.crm.desired import Desired
    from pcd.crm.match import Match
    from pcd.crm.settings import CrmSettings
    from pcd.db.pool import Connection, Database, Record
    from pcd.ghl.shapes import Opportunity

_SQL = queries.load("pcd.crm")

Source: TypeAlias = "Connection | Database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """An opportunity of a contact: *job_id* as the old system noted it, *cycle* where it is one already."""

    opportunity: Opportunity
    job_id: int | None = None
    cycle: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The contact that a customer is, why we think so, and the opportunities that it has, newest first."""

    contact_id: str
    by: str
    current: Current
    deals: tuple[Deal, ...] = ()

    def applied(self, desired: Desired, settings: CrmSettings) -> Applied:
        """Return what counts as applied once the contact is adopted: nothing is, but it is there."""
        taken = adoptable(desired, self.deals, settings)
        return Applied(
            contact_id=self.contact_id,
            opportunities={cycle: AppliedOpportunity(id=found) for cycle, found in taken.items()},
        )


def keys_of(desired: Desired) -> Keys | None:
    """Return what the customer can be found by; None where no contact is to be."""
    if desired.contact is None:
        return None
    contact = desired.contact
    others = frozenset((*contact.other_emails, *contact.other_phones))
    return Keys(customer_id=desired.customer_id, email=contact.email, phone=contact.phone, others=others)


def adoptable(desired: Desired, deals: Sequence[Deal], settings: CrmSettings) -> dict[int, str]:
    """Return which of a contact's opportunities is which cycle's.

    One that the old system noted a job of is that job's; the customer's last cycle takes the newest open one
    of our pipelines, or the newest of any status where there may be one only.
    """
    ours = {ids.pipeline_id for ids in settings.stages.values()}
    free = [deal for deal in deals if deal.cycle is None and deal.opportunity.pipeline_id in ours]
    taken: dict[int, str] = {}
    for cycle in desired.history:
        for deal in free:
            if deal.job_id is not None and deal.job_id in cycle.job_ids:
                taken[cycle.number] = deal.opportunity.id
                free.remove(deal)
                break
    last = desired.opportunities[-1].cycle if desired.opportunities else None
    if last is not None and last not in taken:
        one = next(
            (deal for deal in free if deal.opportunity.status == "open" or desired.one_opportunity), None
        )
        if one is not None:
            taken[last] = one.opportunity.id
    return taken


async def look(
    source: Source, wanted: Sequence[Keys], settings: CrmSettings
) -> Mapping[int, Found | Conflict]:
    """Return what our copies say of each of *wanted*; whoever is not there is new, as far as they know."""
    asked = [(keys.customer_id, keys.email, keys.phone) for keys in wanted]
    asked += [(keys.customer_id, key, key) for keys in wanted for key in sorted(keys.others)]
    rows = await source.fetch(_SQL["candidates"], *map(list, zip(*asked, strict=True)))
    if not rows:
        return {}
    candidates: dict[int, list[Candidate]] = {}
    for row in rows:
        candidates.setdefault(row["customer_id"], []).append(_candidate(row))
    found: dict[int, Found | Conflict] = {}
    for keys in wanted:
        verdict = judge(keys, candidates.get(keys.customer_id, ()), settings)
        if isinstance(verdict, Conflict):
            found[keys.customer_id] = verdict
        elif isinstance(verdict, (Adopt, Linked)):
            by = verdict.by if isinstance(verdict, Adopt) else "link"
            found[keys.customer_id] = await read_found(source, verdict.contact_id, by=by)
    return found


def judge(keys: Keys, candidates: Collection[Candidate], settings: CrmSettings) -> Match:
    """Return who of *candidates* the customer is, in the account of *settings*."""
    return match(
        keys, candidates, country=settings.country, allow_duplicates=settings.allow_duplicate_contact
    )


async def read_found(source: Source, contact_id: str, *, by: str) -> Found:
    """Return a contact with its opportunities as our copies have them."""
    text = await source.fetchval(_SQL["contact_copy"], contact_id)
    rows = await source.fetch(_SQL["deals_of"], contact_id)
    deals = tuple(
        Deal(
            opportunity=decode.opportunity(row["full_data"].encode()),
            job_id=row["st_job_id"],
            cycle=row["cycle"],
        )
        for row in rows
    )
    return Found(
        contact_id=contact_id,
        by=by,
        current=Current(
            contact=None if text is None else contact_shown(decode.contact(text.encode())),
            opportunities={deal.opportunity.id: opportunity_shown(deal.opportunity) for deal in deals},
        ),
        deals=deals,
    )


def _candidate(row: Record) -> Candidate:
    return Candidate(
        id=row["ghl_id"],
        email=row["email"],
        phone=row["phone"],
        customer_id=row["st_customer_id"],
        linked_to=row["linked_to"],
    )
