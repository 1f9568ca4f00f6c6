"""Reads what ServiceTitan knows about customers from the mirror, many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcd.crm.facts import AppointmentFacts, CustomerFacts, EstimateFacts, JobFacts
from pcd.db import queries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from decimal import Decimal

    from pcd.db.pool import Connection, Database, Record

_SQL = queries.load("pcd.crm")


async def facts_of(
    db: Database | Connection, customer_ids: Collection[int], *, install_names: tuple[str, ...]
) -> Mapping[int, CustomerFacts]:
    """Return the facts of those of *customer_ids* that the mirror has, all as of one instant.

    A unit whose name holds one of *install_names* does installs.
    """
    rows = await db.fetch(_SQL["facts"], list(customer_ids))
    words = tuple(word.casefold() for word in install_names)
    return {row["st_id"]: _customer(row, words) for row in rows}


def _customer(row: Record, install_words: Iterable[str]) -> CustomerFacts:
    has_pipelines = row["has_pipelines"]
    return CustomerFacts(
        id=row["st_id"],
        name=row["name"] or "",
        first_name=row["first_name"] or "",
        last_name=row["last_name"] or "",
        type=row["type"],
        email=row["email"],
        phone=row["phone"],
        emails=tuple(filter(None, row["emails"])),
        phones=tuple(filter(None, row["phones"])),
        street=row["street"],
        city=row["city"] or "",
        state=row["state"] or "",
        zip=row["zip"] or "",
        country=row["country"] or "",
        created_at=row["st_created_on"],
        is_active=row["is_active"],
        merged_into=row["merged_to_id"],
        do_not_contact=row["do_not_contact"],
        do_not_service=row["do_not_service"],
        jobs=tuple(_job(each, install_words) for each in row["jobs"]),
        estimates=tuple(_estimate(each, has_pipelines=has_pipelines) for each in row["estimates"]),
    )


def _job(columns: Iterable[Any], install_words: Iterable[str]) -> JobFacts:
    (id_, number, status, unit_id, unit, created_at, modified_at, completed_at, *rest) = columns
    project_id, estimate_id, technician_id, crew, visits = rest
    name = (unit or "").casefold()
    return JobFacts(
        id=id_,
        number=number or str(id_),
        status=status,
        business_unit_id=unit_id,
        is_install=any(word in name for word in install_words),
        created_at=created_at,
        modified_at=modified_at,
        completed_at=completed_at,
        project_id=project_id,
        created_from_estimate_id=estimate_id,
        appointments=tuple(_appointment(each) for each in visits),
        technician_ids=tuple(crew) if crew or technician_id is None else (technician_id,),
    )


def _appointment(columns: Iterable[Any]) -> AppointmentFacts:
    id_, status, start_at, modified_at = columns
    return AppointmentFacts(id=id_, status=status, start_at=start_at, modified_at=modified_at)


def _estimate(columns: Iterable[Any], *, has_pipelines: bool) -> EstimateFacts:
    id_, job_id, name, status, total, created_at, modified_at, sold_at, unit_id, has_pipeline = columns
    return EstimateFacts(
        id=id_,
        job_id=job_id,
        name=name or "",
        status=status,
        total=_amount(total),
        created_at=created_at,
        modified_at=modified_at,
        sold_at=sold_at,
        business_unit_id=unit_id,
        is_pushed=has_pipeline or not has_pipelines,
    )


def _amount(value: Decimal | None) -> Decimal | None:
    """Return an amount; numeric columns know some that are no number."""
    return value if value is not None and value.is_finite() else None
