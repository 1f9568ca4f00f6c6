"""Jobs, their appointments, who goes there, and the equipment that they leave behind."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from pcd.sim import staff, trade

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

    from pcd.sim.dialect import Record
    from pcd.sim.people import Account, Site

_WINDOW = timedelta(hours=2)
_MAKERS = {
    trade.PUMP.id: ("Rill Works", "VS-270"),
    trade.FILTER.id: ("Rill Works", "CF-420"),
    trade.HEATER.id: ("Ember & Tide", "HP-125"),
    trade.SALT_CELL.id: ("Brine Labs", "SG-40"),
    trade.AUTOMATION.id: ("Tidewise", "A-8"),
    trade.LED_LIGHT.id: ("Lumen Cove", "C-12"),
}
NOTES = (
    "Brushed walls, vacuumed, emptied both baskets. Chlorine 2.5, pH 7.5, alkalinity 95.",
    "Replaced worn parts, primed the pump and watched it for fifteen minutes. No leaks.",
    "Water level was low; refilled and reset the auto-fill. Customer was shown the float valve.",
    "Filter pressure 14 psi after cleaning. Recommend a new cartridge before summer.",
    "Tested safety switches and the timer. Left the door tag with the readings.",
    "Salt at 2,900 ppm, added two bags. Cell has light scale, cleaned it.",
)

_JOB: Record = {
    "summary": "",
    "customFields": [],
    "externalData": [],
    "summaryOfWork": None,
    "projectId": None,
    "jobStatus": "Scheduled",
    "completedOn": None,
    "recallForId": None,
    "warrantyId": None,
    "jobGeneratedLeadSource": None,
    "noCharge": False,
    "notificationsEnabled": True,
    "tagTypeIds": [],
    "leadCallId": None,
    "partnerLeadCallId": None,
    "bookingId": None,
    "soldById": None,
    "customerPo": "",
    "membershipId": None,
    "total": Decimal(0),
    "createdFromEstimateId": None,
    "estimateIds": [],
    "equipmentIds": [],
    "isAutoDispatched": False,
    "active": True,
}


def job(
    account: Account, *, job_id: int, invoice_id: int, site: Site, kind: trade.JobType, summary: str
) -> Record:
    """Return a newly booked job without appointments and dates."""
    return _JOB | {
        "id": job_id,
        "jobNumber": str(job_id),
        "customerId": account.id,
        "locationId": site.id,
        "businessUnitId": kind.unit.id,
        "jobTypeId": kind.id,
        "priority": kind.priority,
        "campaignId": staff.CAMPAIGNS[0].id,
        "summary": summary,
        "noCharge": "Sales" in kind.unit.name,
        "tagTypeIds": list(account.tags),
        "membershipId": account.membership_id,
        "invoiceId": invoice_id,
        "estimateIds": [],
        "createdById": staff.AGENTS[job_id % len(staff.AGENTS)].id,
        "customerPo": f"PO-{invoice_id % 9973:04d}" if account.is_commercial else "",
    }


def appoint(job: Record, appointment_ids: list[int]) -> None:
    """Note the job's appointments in it, first to last."""
    job["appointmentCount"] = len(appointment_ids)
    job["firstAppointmentId"] = appointment_ids[0]
    job["lastAppointmentId"] = appointment_ids[-1]


def appointment(
    job: Record, *, appointment_id: int, number: int, start: datetime, end: datetime, status: str
) -> Record:
    """Return one appointment of a job without its dates of record."""
    return {
        "id": appointment_id,
        "jobId": job["id"],
        "appointmentNumber": f"{job['jobNumber']}-{number}",
        "start": start,
        "end": end,
        "arrivalWindowStart": start,
        "arrivalWindowEnd": start + _WINDOW,
        "status": status,
        "specialInstructions": None if job["id"] % 5 else "Gate on the left side; please close it.",
        "customerId": job["customerId"],
        "unused": False,
        "createdById": job["createdById"],
        "isConfirmed": job["id"] % 3 != 0,
        "appointmentSummaries": [],
        "active": True,
    }


def assignment(
    appointment: Record, tech: staff.Technician, *, assignment_id: int, at: datetime, status: str
) -> Record:
    """Return the assignment of a technician to an appointment without its dates of record."""
    return {
        "id": assignment_id,
        "technicianId": tech.id,
        "technicianName": tech.name,
        "assignedById": staff.DISPATCHERS[assignment_id % len(staff.DISPATCHERS)].id,
        "assignedOn": at,
        "status": status,
        "isPaused": False,
        "jobId": appointment["jobId"],
        "appointmentId": appointment["id"],
        "active": True,
    }


def crew(kind: trade.JobType, rng: Random) -> list[staff.Technician]:
    """Return who goes: one who leads, and with installations mostly a helper too."""
    leads = staff.CREWS[kind.unit.id]
    chosen = [leads[int(rng.random() * len(leads))]]
    if "Install" in kind.unit.name and rng.random() < 0.8:
        chosen.append(staff.HELPERS[int(rng.random() * len(staff.HELPERS))])
    return chosen


def note(appointment: Record, tech: staff.Technician, *, at: datetime, text: str) -> Record:
    """Return a technician's summary of an appointment."""
    return {
        "createdOn": at,
        "jobAppointmentId": appointment["id"],
        "jobId": appointment["jobId"],
        "modifiedOn": at,
        "notes": text,
        "technicianId": tech.id,
    }


def equipment(
    account: Account,
    sku: trade.Sku,
    *,
    equipment_id: int,
    site: Site,
    installed_at: datetime,
    invoice_item_id: int | None = None,
) -> Record:
    """Return a piece of equipment at a location without its dates of record."""
    maker, model = _MAKERS[sku.id]
    until = installed_at + timedelta(days=3 * 365)
    return {
        "id": equipment_id,
        "active": True,
        "equipmentId": sku.id,
        "locationId": site.id,
        "customerId": account.merged_to_id or account.id,
        "invoiceItemId": invoice_item_id,
        "name": sku.title,
        "type": {"id": 3000 + sku.id % 100, "name": sku.title.partition(",")[0]},
        "installedOn": installed_at.date(),
        "serialNumber": f"{model}-{equipment_id * 7919 % 10_000_000:07d}",
        "barcodeId": None,
        "memo": "",
        "manufacturer": maker,
        "model": model,
        "cost": Decimal(sku.cost).scaleb(-2),
        "status": "Installed",
        "manufacturerWarrantyStart": installed_at.date(),
        "manufacturerWarrantyEnd": until.date(),
        "serviceProviderWarrantyStart": None,
        "serviceProviderWarrantyEnd": None,
        "tags": [],
        "actualReplacementDate": None,
        "manufacturedOn": None,
        "predictedReplacementMonths": 120,
        "predictedReplacementDate": (installed_at + timedelta(days=3650)).date().isoformat(),
    }
