"""The company itself: its people and its reference data, the same for every seed.

`reference` yields it all as records; the constants are for those who need to mention an id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from pcd.sim import names, trade

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pcd.sim.dialect import Record

COMPANY = "Blue Heron Pools"
MEMBERSHIP_TYPE_ID = 701
BOOKING_PROVIDER_ID = 801


@dataclass(frozen=True, slots=True)
class Technician:
    """Somebody who works in the field."""

    id: int
    name: str
    unit: trade.Unit
    position: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Employee:
    """Somebody who works in the office."""

    id: int
    name: str
    role: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Named:
    """A reference record that is little more than its name."""

    id: int
    name: str
    active: bool = True


_TECHNICIANS = (
    ("Alder", trade.POOL_SALES, "Sales"),
    ("Birch", trade.POOL_SALES, "Sales"),
    ("Cedar", trade.ELECTRICAL_SALES, "Sales"),
    ("Dogwood", trade.POOL_SERVICE, "Service"),
    ("Elm", trade.POOL_SERVICE, "Service"),
    ("Fir", trade.POOL_SERVICE, "Service"),
    ("Hazel", trade.POOL_SERVICE, "Maintenance"),
    ("Juniper", trade.POOL_SERVICE, "Maintenance"),
    ("Larch", trade.PLUMBING, "Service"),
    ("Maple", trade.ELECTRICAL_SERVICE, "Service"),
    ("Oak", trade.POOL_INSTALL, "Installer"),
    ("Pine", trade.POOL_INSTALL, "Installer"),
    ("Rowan", trade.ELECTRICAL_INSTALL, "Installer"),
    ("Spruce", trade.POOL_INSTALL, "Helper"),
    ("Tamarack", trade.POOL_INSTALL, "Helper"),
)
TECHNICIANS = (
    *(
        Technician(60101 + number, f"Tech {tree}", unit, position)
        for number, (tree, unit, position) in enumerate(_TECHNICIANS)
    ),
    Technician(60190, "Tech Willow", trade.POOL_SERVICE, "Service", active=False),
)
CREWS = {
    unit.id: tuple(
        tech for tech in TECHNICIANS if tech.active and tech.unit is unit and tech.position != "Helper"
    )
    for unit in trade.UNITS
}
"""Who may lead a job of a business unit, by its id."""
HELPERS = tuple(tech for tech in TECHNICIANS if tech.active and tech.position == "Helper")

EMPLOYEES = (
    Employee(50101, "Office Heron", "Owner"),
    Employee(50102, "Office Plover", "CSR"),
    Employee(50103, "Office Wren", "CSR"),
    Employee(50104, "Office Curlew", "CSR"),
    Employee(50105, "Office Tern", "Dispatch"),
    Employee(50106, "Office Kestrel", "Dispatch"),
    Employee(50107, "Office Avocet", "Accounting"),
    Employee(50108, "Office Ibis", "SalesManager"),
    Employee(50109, "Office Rail", "GeneralOffice"),
    Employee(50190, "Office Dunlin", "CSR", active=False),
)
AGENTS = tuple(person for person in EMPLOYEES if person.role == "CSR" and person.active)
DISPATCHERS = tuple(person for person in EMPLOYEES if person.role == "Dispatch")
BOOKKEEPER = EMPLOYEES[6]

TAGS = (
    Named(901, "VIP"),
    Named(902, "Care Plan"),
    Named(903, "Dog on Site"),
    Named(904, "Screen Enclosure"),
    Named(905, "Seasonal Resident"),
    Named(906, "Financing"),
    Named(907, "Referral"),
    Named(908, "Warranty"),
    Named(909, "Collections"),
    Named(990, "Old Route B", active=False),
)
CAMPAIGNS = (
    Named(1001, "Existing Customer"),
    Named(1002, "Website"),
    Named(1003, "Search Ads"),
    Named(1004, "Neighbor Referral"),
    Named(1005, "Yard Signs"),
    Named(1006, "Direct Mail - Spring"),
    Named(1007, "Home and Garden Show"),
    Named(1008, "Social Media"),
    Named(1009, "Truck Lettering"),
    Named(1090, "Local Radio", active=False),
)
CALL_REASONS = (
    Named(1101, "New Service Request"),
    Named(1102, "Estimate Request"),
    Named(1103, "Reschedule"),
    Named(1104, "Billing Question"),
    Named(1105, "Warranty Question"),
    Named(1106, "Price Shopping"),
    Named(1107, "Outside Service Area"),
    Named(1190, "Newsletter", active=False),
)
LEAD_REASONS = CALL_REASONS[:2]
OTHER_REASONS = CALL_REASONS[2:7]

GATE_CODE = Named(1201, "Gate Access Code")
CONTACT_BY = Named(1202, "Preferred Contact")
POOL_GALLONS = Named(1211, "Pool Volume (gal)")
WATER_READING = Named(1212, "Water Reading")
POOL_TYPE = Named(1221, "Pool Type")
PURCHASE_ORDER = Named(1231, "Purchase Order")
_CUSTOM_FIELDS = {
    "customers": ((GATE_CODE, "Text", None), (CONTACT_BY, "Dropdown", ["Call", "Text", "Email"])),
    "jobs": ((POOL_GALLONS, "Numeric", None), (WATER_READING, "Text", None)),
    "locations": ((POOL_TYPE, "Dropdown", ["In-ground", "Above ground", "Spa"]),),
    "invoices": ((PURCHASE_ORDER, "Text", None),),
}


def reference(founded_at: datetime) -> Iterator[tuple[str, Record]]:
    """Yield (resource, record) for all reference data of a company founded at *founded_at*."""
    stamps = {"createdOn": founded_at, "modifiedOn": founded_at + timedelta(days=200, microseconds=123457)}
    for unit in trade.UNITS:
        yield "business_units", _business_unit(unit) | stamps
    for kind in trade.JOB_TYPES:
        yield "job_types", _job_type(kind) | stamps
    for number, tech in enumerate(TECHNICIANS):
        yield "technicians", _technician(tech, number=number, started_at=founded_at) | stamps
    for number, person in enumerate(EMPLOYEES):
        yield "employees", _employee(person, number=number, started_at=founded_at) | stamps
    for number, tag in enumerate(TAGS):
        yield "tag_types", _tag(tag, number=number) | stamps
    for campaign in CAMPAIGNS:
        yield "campaigns", _campaign(campaign) | stamps
    for reason in CALL_REASONS:
        record = {"id": reason.id, "name": reason.name, "isLead": reason in LEAD_REASONS}
        yield "call_reasons", record | {"active": reason.active} | stamps
    for group, fields in _CUSTOM_FIELDS.items():
        for field, data_type, options in fields:
            record = {"id": field.id, "name": field.name, "dataType": data_type}
            yield f"custom_fields_{group}", record | {"dataTypeOptions": options} | stamps


def _business_unit(unit: trade.Unit) -> Record:
    return {
        "id": unit.id,
        "active": True,
        "name": unit.name,
        "officialName": f"{COMPANY} LLC",
        "email": "office@example.com",
        "currency": "USD",
        "phoneNumber": "2395550100",
        "invoiceHeader": f"{COMPANY}, 400 Heron Way, Heron Bay, FL 34101",
        "invoiceMessage": "Thank you for your business. Payment is due on the date shown.",
        "defaultTaxRate": Decimal("0.065"),
        "authorizationParagraph": "I authorize the work described above and agree to the price.",
        "acknowledgementParagraph": "The work has been done to my satisfaction.",
        "address": {
            "street": "400 Heron Way",
            "unit": None,
            "city": "Heron Bay",
            "state": "FL",
            "zip": "34101",
            "country": "USA",
            "latitude": 26.142,
            "longitude": -81.7948,
            "isManualCoordinates": False,
            "isMilitary": False,
        },
        "materialSku": None,
        "quickbooksClass": unit.name,
        "accountCode": str(unit.id),
        "franchiseId": None,
        "conceptCode": None,
        "corporateContractNumber": None,
        "trade": {"id": sum(map(ord, unit.trade)), "name": unit.trade},
        "division": None,
        "tagTypeIds": [],
        "tenant": None,
        "externalData": [],
        "certifiedSentriconSpecialistCode": None,
    }


def _job_type(kind: trade.JobType) -> Record:
    is_sales = "Sales" in kind.unit.name
    return {
        "id": kind.id,
        "name": kind.name,
        "businessUnitIds": [kind.unit.id],
        "skills": [],
        "tagTypeIds": [],
        "priority": kind.priority,
        "duration": kind.minutes * 60,
        "soldThreshold": Decimal(500) if is_sales else None,
        "class": "Install" if "Install" in kind.unit.name else "Service",
        "summary": kind.summaries[0],
        "noCharge": is_sales,
        "enforceRecurringServiceEventSelection": False,
        "invoiceSignaturesRequired": not is_sales,
        "externalData": [],
        "active": True,
        "isSmartDispatched": False,
        "defaultEstimateSoldAction": "ScheduleJob" if is_sales else "DoNothing",
        "customFieldTypeIds": [POOL_GALLONS.id, WATER_READING.id],
    }


_TECHNICIAN: Record = {
    "roleIds": [],
    "mainZoneId": None,
    "zoneIds": [],
    "home": None,
    "isManagedTech": True,
    "customFields": [],
    "aadUserId": None,
    "burdenRate": Decimal("0.18"),
    "jobFilter": "AllScheduledDispatchedWorkingToday",
    "permissions": [],
    "accountLocked": False,
    "commissionRate": Decimal("0.05"),
    "currentValue": None,
    "jobId": None,
    "outboundCallerId": None,
    "payrollProfileId": None,
    "appoitmentId": None,
    "shiftStart": "07:30:00",
    "shiftEnd": "16:30:00",
    "soldByRate": Decimal("0.02"),
    "status": "Idle",
    "skills": [],
    "location": None,
    "bio": None,
    "memo": None,
}


def _technician(tech: Technician, *, number: int, started_at: datetime) -> Record:
    first, last = tech.name.split()
    phone = f"239555{130 + number:04d}"
    installs = tech.position in ("Installer", "Helper")
    return {
        "id": tech.id,
        "userId": tech.id + 10_000,
        "name": tech.name,
        "businessUnitId": tech.unit.id,
        "email": names.email(tech.name, serial=number),
        "phoneNumber": phone,
        "loginName": last.lower(),
        "dailyGoal": Decimal(900 + number * 50),
        "licenseType": "ManagedInstaller" if installs else "ManagedTech",
        "team": tech.unit.trade,
        "firstName": first,
        "lastName": last,
        "hourlyRate": Decimal(24 + number),
        "mobilePhone": phone,
        "payrollId": f"P{number:03d}",
        "startDate": started_at + timedelta(days=number * 40),
        "positions": [tech.position],
        "active": tech.active,
    } | _TECHNICIAN


def _employee(person: Employee, *, number: int, started_at: datetime) -> Record:
    first, last = person.name.split()
    return {
        "id": person.id,
        "userId": person.id + 10_000,
        "name": person.name,
        "firstName": first,
        "lastName": last,
        "managerId": None if number == 0 else EMPLOYEES[0].id,
        "role": person.role,
        "roleIds": [],
        "businessUnitId": None,
        "email": names.email(person.name, serial=number),
        "phoneNumber": f"239555{110 + number:04d}",
        "loginName": last.lower(),
        "active": person.active,
        "aadUserId": None,
        "accountLocked": False,
        "home": None,
        "agentId": number,
        "startDate": started_at + timedelta(days=number * 30),
        "terminationDate": None if person.active else started_at + timedelta(days=700),
        "hourlyRate": Decimal(22 + number),
        "overtimeProfileId": None,
        "customFields": [],
        "permissions": [],
    }


def _tag(tag: Named, *, number: int) -> Record:
    return {
        "id": tag.id,
        "name": tag.name,
        "color": f"#{(number * 1_234_567 + 0x3366AA) % 0xFFFFFF:06X}",
        "code": "".join(word[0] for word in tag.name.split()),
        "importance": "High" if number == 0 else None,
        "isConversionOpportunity": False,
        "allowToUseOnTimesheetActivity": False,
        "isVisibleOnDispatchBoard": True,
        "active": tag.active,
    }


def _campaign(campaign: Named) -> Record:
    return {
        "id": campaign.id,
        "name": campaign.name,
        "active": campaign.active,
        "isDefaultCampaign": campaign.id == CAMPAIGNS[0].id,
        "category": {"id": 1301, "name": "Marketing", "active": True},
        "source": "Other",
        "otherSource": campaign.name,
        "businessUnit": None,
        "medium": None,
        "otherMedium": None,
        "campaignPhoneNumbers": [f"239555{100 + campaign.id % 10:04d}"],
    }
