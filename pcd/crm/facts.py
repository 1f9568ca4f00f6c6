"""What ServiceTitan knows about one customer, as far as the CRM is concerned.

Only rows that count are here: what is inactive or gone upstream was left out by the reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentFacts:
    """One appointment of a job; unused ones are not here."""

    id: int
    status: str | None = None
    start_at: datetime | None = None
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """One job. *is_install* says what its business unit's name says."""

    id: int
    number: str
    status: str | None = None
    business_unit_id: int | None = None
    is_install: bool = False
    created_at: datetime | None = None
    modified_at: datetime | None = None
    completed_at: datetime | None = None
    project_id: int | None = None
    created_from_estimate_id: int | None = None
    appointments: tuple[AppointmentFacts, ...] = ()
    technician_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateFacts:
    """One estimate. *is_pushed* is False where its business unit takes no part in the CRM."""

    id: int
    job_id: int | None = None
    name: str = ""
    status: str | None = None
    total: Decimal | None = None
    created_at: datetime | None = None
    modified_at: datetime | None = None
    sold_at: datetime | None = None
    business_unit_id: int | None = None
    is_pushed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFacts:
    """One customer with everything that decides how GoHighLevel shows them.

    *email* and *phone* are shown and looked for, *emails* and *phones* are all that there are.
    *merged_into* is the customer that this one was merged into. *do_not_contact* is the wish of the
    customer, *do_not_service* that of the business.
    """

    id: int
    name: str = ""
    first_name: str = ""
    last_name: str = ""
    type: str | None = None
    email: str | None = None
    phone: str | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    street: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    country: str = ""
    created_at: datetime | None = None
    is_active: bool = True
    merged_into: int | None = None
    do_not_contact: bool = False
    do_not_service: bool = False
    jobs: tuple[JobFacts, ...] = ()
    estimates: tuple[EstimateFacts, ...] = ()
