"""What is mirrored, and how a record becomes a row.

Each upstream collection is declared once, as a `Resource` value in the module named after
ServiceTitan's own (``crm``, ``jpm``, ``accounting`` ...). Everything else follows from the value and from
what is really in the database:

    Resource ──ddl.plan──────────▶ CREATE TABLE / ADD COLUMN / CREATE INDEX
        │              ▲
        │          catalogue.read: the actual columns, types and widths
        │              ▼
        └──statements.upsert─────▶ one INSERT that projects a batch of raw records

The projection is SQL over the record as jsonb, not Python over dictionaries: the raw text goes from the
wire to ``full_data`` untouched, and the columns are expressions over it, written for the type that the
column really has. A database of the old system keeps its types, its generated columns and its extra
columns; we add what is missing, and skip what we may not write.

Some columns hold what no record holds: a customer's e-mail is a contact's, an appointment's technicians
are its assignments. `derived` declares those, each as one statement that changes only rows that differ.

`RESOURCES` is ordered: reference data first, then parents before their children.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pcd.tables.accounting import INVOICE_ITEMS, INVOICES, PAYMENTS
from pcd.tables.crm import BOOKINGS, CUSTOMER_CONTACTS, CUSTOMERS, LEADS, LOCATIONS
from pcd.tables.custom_fields import (
    CUSTOM_FIELDS_CUSTOMERS,
    CUSTOM_FIELDS_INVOICES,
    CUSTOM_FIELDS_JOBS,
    CUSTOM_FIELDS_LOCATIONS,
)
from pcd.tables.dispatch import APPOINTMENT_ASSIGNMENTS
from pcd.tables.equipment import INSTALLED_EQUIPMENT
from pcd.tables.jpm import APPOINTMENTS, JOB_TYPES, JOBS
from pcd.tables.marketing import CALL_REASONS, CAMPAIGNS
from pcd.tables.memberships import MEMBERSHIPS
from pcd.tables.sales import ESTIMATE_ITEMS, ESTIMATES
from pcd.tables.settings import BUSINESS_UNITS, EMPLOYEES, TAG_TYPES, TECHNICIANS
from pcd.tables.telecom import CALLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.tables.spec import Resource

_ORDER: tuple[Resource, ...] = (
    BUSINESS_UNITS,
    TECHNICIANS,
    EMPLOYEES,
    JOB_TYPES,
    TAG_TYPES,
    CUSTOM_FIELDS_CUSTOMERS,
    CUSTOM_FIELDS_LOCATIONS,
    CUSTOM_FIELDS_JOBS,
    CUSTOM_FIELDS_INVOICES,
    CAMPAIGNS,
    CALL_REASONS,
    CUSTOMERS,
    CUSTOMER_CONTACTS,
    LOCATIONS,
    MEMBERSHIPS,
    LEADS,
    BOOKINGS,
    JOBS,
    APPOINTMENTS,
    APPOINTMENT_ASSIGNMENTS,
    ESTIMATES,
    ESTIMATE_ITEMS,
    INVOICES,
    INVOICE_ITEMS,
    PAYMENTS,
    INSTALLED_EQUIPMENT,
    CALLS,
)

RESOURCES: Mapping[str, Resource] = MappingProxyType({resource.name: resource for resource in _ORDER})
"""Every mirrored resource by name, in dependency order."""
