"""How work comes in and is sold: calls, bookings, leads, estimates."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from pcd.sim import dialect, money, names, staff, trade
from pcd.sim.money import Line
from pcd.sim.names import pick

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from random import Random

    from pcd.sim.dialect import Record
    from pcd.sim.people import Account, Site
    from pcd.sim.store import Store

STATUSES: dict[str, Record] = {
    name: {"value": value, "name": name} for value, name in enumerate(("Open", "Sold", "Dismissed"))
}
TIERS = ("Essential", "Comfort", "Premium")
_PRICE_BOOK_STAMP = "2021-01-04T14:03:11.2840913Z"


def call(
    *, call_id: int, phone: str, rng: Random, reason: staff.Named, kind: str, campaign: staff.Named
) -> Record:
    """Return an inbound call in the export's shape, about nobody yet and without its dates."""
    agent = pick(rng, staff.AGENTS)
    seconds = int(rng.random() * 420) + 25
    return {
        "id": call_id,
        "duration": f"00:{seconds // 60:02d}:{seconds % 60:02d}",
        "from": names.digits(phone),
        "to": f"239555{100 + campaign.id % 10:04d}",
        "direction": "Inbound",
        "status": "Completed",
        "type": kind,
        "recordingUrl": f"https://recordings.example.com/{call_id}.mp3",
        "voiceMailPath": None,
        "reason": {"id": reason.id, "name": reason.name},
        "customer": None,
        "location": None,
        "campaign": {"id": campaign.id, "name": campaign.name},
        "job": None,
        "agent": {"id": agent.id, "name": agent.name},
        "createdBy": None,
        "excuseMemo": "",
        "tag": "",
        "lead": None,
        "active": True,
    }


def about(call: Record, *, account: Account, site: Site) -> None:
    """Note in a call who called and about which location."""
    call["customer"] = {"id": account.id, "name": account.name}
    call["location"] = {"id": site.id, "name": site.name}


def booking(
    account: Account, *, booking_id: int, site: Site, kind: trade.JobType, start: datetime, summary: str
) -> Record:
    """Return an online booking that nobody has accepted yet, without its dates of record."""
    address = {key: site.address[key] for key in ("street", "unit", "city", "state", "zip", "country")}
    return {
        "id": booking_id,
        "source": "Website Scheduler",
        "name": account.name,
        "address": address,
        "customerType": "Commercial" if account.is_commercial else "Residential",
        "start": start,
        "summary": summary,
        "campaignId": staff.CAMPAIGNS[1].id,
        "businessUnitId": kind.unit.id,
        "isFirstTimeClient": False,
        "uploadedImages": [],
        "isSendConfirmationEmail": True,
        "status": "New",
        "dismissingReasonId": None,
        "jobId": None,
        "externalId": f"WEB-{booking_id * 7919 % 100_000_000:08d}",
        "priority": kind.priority,
        "jobTypeId": kind.id,
        "bookingProviderId": staff.BOOKING_PROVIDER_ID,
        "active": True,
    }


def lead(
    *, lead_id: int, kind: trade.JobType, reason: staff.Named, status: str, campaign: staff.Named
) -> Record:
    """Return a lead of nobody yet, without its dates of record."""
    return {
        "id": lead_id,
        "status": status,
        "priority": "Normal",
        "customerId": None,
        "locationId": None,
        "businessUnitId": kind.unit.id,
        "jobTypeId": kind.id,
        "campaignId": campaign.id,
        "followUpDate": None,
        "createdById": staff.AGENTS[lead_id % len(staff.AGENTS)].id,
        "tagTypeIds": [],
        "dismissingReasonId": staff.OTHER_REASONS[3].id if status == "Dismissed" else None,
        "summary": kind.summaries[lead_id % len(kind.summaries)],
        "callReasonId": reason.id,
        "callId": None,
        "bookingId": None,
        "manualCallId": None,
        "leadUrl": None,
        "leadCustomerName": None,
        "leadPhone": None,
        "leadEmail": None,
        "leadStreet": None,
        "leadUnit": None,
        "leadCity": None,
        "leadState": None,
        "leadZip": None,
        "leadCountry": None,
        "captureSource": None,
        "active": True,
    }


def proposed(proposal: trade.Proposal, *, tier: int, rng: Random) -> list[Line]:
    """Return the lines of a proposal; a higher tier (0 to 2) costs more."""
    factor = 100 + tier * 12 + int(rng.random() * 6)
    return [
        Line(sku, quantity, sku.price * factor // 100 if quantity == 1 else sku.price)
        for sku, quantity in proposal.lines
    ]


def propose(
    store: Store, job: Record, *, lines: Sequence[Line], name: str, at: datetime
) -> tuple[Record, list[Line]]:
    """Return an open estimate of *lines* and the lines as its items; puts the items, not the estimate."""
    estimate_id, stamp = store.next_id(), dialect.instant(at)
    bound = [Line(line.sku, line.quantity, line.price, store.next_id()) for line in lines]
    items = [_item(line, group=name, stamp=stamp) for line in bound]
    for item in items:
        store["estimate_items"].put(item, created_at=at, modified_at=at)
    kind = trade.job_type(job["jobTypeId"])
    return {
        "id": estimate_id,
        "jobId": job["id"],
        "projectId": None,
        "locationId": job["locationId"],
        "customerId": job["customerId"],
        "name": name,
        "jobNumber": job["jobNumber"],
        "status": STATUSES["Open"],
        "reviewStatus": "None",
        "summary": f"{name}: work and material as listed. Valid for 30 days.",
        "soldOn": None,
        "soldBy": None,
        "items": items,
        "externalLinks": [],
        "subtotal": money.dollars(sum(line.total for line in bound)),
        "tax": money.dollars(money.tax(bound)),
        "businessUnitId": kind.unit.id,
        "businessUnitName": kind.unit.name,
        "isRecommended": False,
        "budgetCodeId": None,
        "isChangeOrder": False,
        "proposalTagName": None,
        "depositAmount": None,
        "depositPercent": None,
        "requireDepositOnSignature": None,
        "active": True,
    }, bound


def _item(line: Line, *, group: str, stamp: str) -> Record:
    sku = line.sku
    return {
        "id": line.estimate_item_id,
        "sku": _sku(sku),
        "skuAccount": money.LEDGERS[sku.kind]["name"],
        "description": f"<p>{sku.title}</p>",
        "membershipTypeId": None,
        "qty": Decimal(line.quantity),
        "unitRate": money.dollars(line.price),
        "total": money.dollars(line.total),
        "unitCost": money.dollars(sku.cost),
        "totalCost": money.dollars(sku.cost * line.quantity),
        "itemGroupName": group,
        "itemGroupRootId": None,
        "createdOn": stamp,
        "modifiedOn": stamp,
        "chargeable": True,
        "invoiceItemId": None,
        "budgetCodeId": None,
    }


def _sku(sku: trade.Sku) -> Record:
    return {
        "id": sku.id,
        "name": sku.code,
        "displayName": sku.title,
        "type": sku.kind,
        "soldHours": Decimal(str(sku.hours)),
        "generalLedgerAccountId": money.LEDGERS[sku.kind]["id"],
        "generalLedgerAccountName": money.LEDGERS[sku.kind]["name"],
        "modifiedOn": _PRICE_BOOK_STAMP,
    }
