"""Makes what ServiceTitan may know about one customer, for tests of the CRM: only what matters is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pcd.crm.desire import desire
from pcd.crm.desired import Stage
from pcd.crm.facts import AppointmentFacts, CustomerFacts, EstimateFacts, JobFacts
from pcd.crm.settings import CrmSettings, CustomFields, PickList, StageIds, Technician

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pcd.crm.desired import CycleState, Desired, DesiredOpportunity

ENABLED = datetime(2026, 3, 1, tzinfo=UTC)
"""Since when GoHighLevel is enabled in these tests."""
NOW = ENABLED + timedelta(days=20)
STAGES: dict[Stage, StageIds] = {
    stage: StageIds(pipeline_id=f"p-{stage.pipeline}", stage_id=f"s-{stage}") for stage in Stage
}
CUSTOM = CustomFields(
    customer="f-customer",
    job="f-job",
    technicians={
        "lead": PickList(id="f-leads", options=frozenset({"Ada", "Bo"})),
        "helper": PickList(id="f-helpers", options=frozenset({"Cy"})),
    },
)
TECHNICIANS = {
    1: Technician(option="Ada"),
    2: Technician(option="Bo"),
    3: Technician(option="Cy", role="helper"),
    4: Technician(option="Gone"),
}
SETTINGS = CrmSettings(
    since=ENABLED,
    stages=STAGES,
    technicians=TECHNICIANS,
    custom_fields=CUSTOM,
    allow_duplicate_opportunity=True,
)


def day(number: float) -> datetime:
    """Return the instant so many days after GoHighLevel was enabled."""
    return ENABLED + timedelta(days=number)


def customer(**changes: object) -> CustomerFacts:
    """Return a new customer with a phone and an e-mail and nothing else."""
    facts: dict[str, Any] = {
        "id": 7,
        "name": "Rosa Field",
        "email": "rosa@example.com",
        "phone": "(239) 555-0142",
        "created_at": day(1),
    }
    facts.update(changes)
    return CustomerFacts(**facts)


def job(
    id_: int = 1, status: str = "Scheduled", *, at: float = 2, visits: int = 0, **changes: object
) -> JobFacts:
    """Return a job booked *at* that day with so many *visits*."""
    facts: dict[str, Any] = {
        "id": id_,
        "number": str(1000 + id_),
        "status": status,
        "created_at": day(at),
        "modified_at": day(at),
        "appointments": tuple(visit(id_ * 10 + n, at=at + 1 + n) for n in range(visits)),
    }
    facts.update(changes)
    return JobFacts(**facts)


def install(id_: int = 9, status: str = "Scheduled", **changes: object) -> JobFacts:
    """Return a job of an install unit."""
    facts: dict[str, Any] = {"at": 10, "is_install": True}
    facts.update(changes)
    return job(id_, status, **facts)


def visit(id_: int = 1, status: str = "Scheduled", *, at: float = 3) -> AppointmentFacts:
    """Return an appointment *at* that day."""
    return AppointmentFacts(id=id_, status=status, start_at=day(at), modified_at=day(at - 1))


def estimate(
    id_: int = 1, status: str = "Open", total: str | None = "9000", *, at: float = 5, **changes: object
) -> EstimateFacts:
    """Return an estimate for job 1 written *at* that day; a sold one was sold a day later."""
    facts: dict[str, Any] = {
        "id": id_,
        "job_id": 1,
        "name": "Pool pump",
        "status": status,
        "total": None if total is None else Decimal(total),
        "created_at": day(at),
        "modified_at": day(at + 1),
        "sold_at": day(at + 1) if status == "Sold" else None,
    }
    facts.update(changes)
    return EstimateFacts(**facts)


def wished(
    facts: CustomerFacts,
    settings: CrmSettings = SETTINGS,
    *,
    now: datetime = NOW,
    history: Iterable[CycleState] = (),
    is_linked: bool = False,
) -> Desired:
    """Return what is desired for *facts* under the settings of these tests."""
    return desire(facts, settings, now=now, history=tuple(history), is_linked=is_linked)


def shown(desired: Desired) -> list[tuple[int, Stage | None, str, str | None]]:
    """Return cycle, stage, status and value of each opportunity."""
    return [
        (one.cycle, one.stage, one.status, None if one.value is None else str(one.value))
        for one in desired.opportunities
    ]


def only(desired: Desired) -> DesiredOpportunity:
    """Return the one opportunity that there is."""
    (one,) = desired.opportunities
    return one


def of(*jobs: JobFacts, estimates: tuple[EstimateFacts, ...] = (), **changes: object) -> CustomerFacts:
    """Return a customer with these."""
    return customer(jobs=jobs, estimates=estimates, **changes)


SALE = estimate(1, "Sold", at=5)
"""An estimate that was sold the day after it was written."""
