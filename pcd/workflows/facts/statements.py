"""The statement that reads the facts of one instance. Pure: names in, SQL out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pcd.workflows.facts.catalogue import FACTS
from pcd.workflows.facts.fact import Column, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CASTS = {
    Kind.TEXT: "text",
    Kind.NUMBER: "numeric",
    Kind.MONEY: "numeric",
    Kind.TRUTH: "boolean",
    Kind.DATE: "date",
    Kind.INSTANT: "timestamptz",
    Kind.LIST: "text[]",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Anchor:
    """From which table an entity's row is, and what it says of the rows that belong to it.

    *ids* are expressions over ``one``, the row, and over ``job``, its job.
    """

    table: str
    ids: Mapping[str, str] = field(default_factory=dict)


def _either(name: str) -> str:
    return f"coalesce(one.{name}, job.{name})"


_OF_A_JOB = {
    "customer_id": _either("customer_id"),
    "job_id": "one.job_id",
    "location_id": _either("location_id"),
    "business_unit_id": "job.business_unit_id",
    "invoice_id": "job.invoice_id",
    "estimate_id": "job.created_from_estimate_id",
    "technician_id": "job.technician_id",
}
_ANCHORS = {
    "customer": _Anchor(table="st_customers", ids={"customer_id": "one.st_id"}),
    "job": _Anchor(
        table="st_jobs",
        ids={
            "customer_id": "one.customer_id",
            "job_id": "one.st_id",
            "location_id": "one.location_id",
            "business_unit_id": "one.business_unit_id",
            "invoice_id": "one.invoice_id",
            "estimate_id": "one.created_from_estimate_id",
            "technician_id": "one.technician_id",
        },
    ),
    "appointment": _Anchor(
        table="st_appointments",
        ids=_OF_A_JOB | {"appointment_id": "one.st_id", "technician_id": _either("technician_id")},
    ),
    "estimate": _Anchor(
        table="st_estimates",
        ids=_OF_A_JOB
        | {
            "estimate_id": "one.st_id",
            "business_unit_id": _either("business_unit_id"),
            "technician_id": "coalesce(job.technician_id, one.sold_by_id)",
        },
    ),
    "invoice": _Anchor(
        table="st_invoices",
        ids=_OF_A_JOB | {"invoice_id": "one.st_id", "business_unit_id": _either("business_unit_id")},
    ),
    "membership": _Anchor(
        table="st_memberships",
        ids={
            "customer_id": "one.customer_id",
            "membership_id": "one.st_id",
            "location_id": "one.location_id",
            "business_unit_id": "one.business_unit_id",
        },
    ),
    "call": _Anchor(table="st_calls", ids=_OF_A_JOB | {"call_id": "one.st_id"}),
}
_IDS = (
    "customer_id",
    "job_id",
    "appointment_id",
    "estimate_id",
    "invoice_id",
    "membership_id",
    "call_id",
    "location_id",
    "business_unit_id",
    "technician_id",
)
_ROWS = {
    "customer": "servicetitan.st_customers AS customer ON customer.st_id = anchor.owner_id",
    "preferences": "public.customer_communication_preferences AS preferences"
    " ON preferences.customer_id = anchor.owner_id",
    "job": "servicetitan.st_jobs AS job ON job.st_id = anchor.job_id",
    # Of a job the appointment that comes next, or else the last one that was.
    "appointment": """LATERAL (
    SELECT *
    FROM servicetitan.st_appointments AS each
    WHERE each.st_id = anchor.appointment_id
        OR (anchor.appointment_id IS NULL AND each.job_id = anchor.job_id AND each.status <> 'Canceled')
    ORDER BY each.start_on < now(), abs(extract(epoch FROM each.start_on - now()))
    LIMIT 1
) AS appointment ON true""",
    "estimate": "servicetitan.st_estimates AS estimate ON estimate.st_id = anchor.estimate_id",
    "invoice": "servicetitan.st_invoices AS invoice ON invoice.st_id = anchor.invoice_id",
    "membership": "servicetitan.st_memberships AS membership ON membership.st_id = anchor.membership_id",
    "call": "servicetitan.st_calls AS call ON call.st_id = anchor.call_id",
    "technician": "servicetitan.st_technicians AS technician ON technician.st_id = anchor.technician_id",
    "location": "servicetitan.st_locations AS location ON location.st_id = anchor.location_id",
    "unit": "servicetitan.st_business_units AS unit ON unit.st_id = anchor.business_unit_id",
}
_ALWAYS = frozenset({"customer", "preferences"})
_BY_ID = {
    "job": "job_id",
    "estimate": "estimate_id",
    "invoice": "invoice_id",
    "membership": "membership_id",
    "call": "call_id",
    "technician": "technician_id",
    "location": "location_id",
    "unit": "business_unit_id",
}
ENTITIES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        entity: _ALWAYS
        | {row for row, name in _BY_ID.items() if name in anchor.ids}
        | ({"appointment"} if "job_id" in anchor.ids else frozenset())
        for entity, anchor in _ANCHORS.items()
    }
)
"""Of which rows an instance about such an entity knows facts."""


class Statement(NamedTuple):
    """*sql* takes $1 the entity's id and $2 the customer's, who owns the instance; NULL where it has none.

    Its columns are whether the entity is there, whether the customer is, and then the facts in *names*.
    """

    sql: str
    names: tuple[str, ...]


@lru_cache(maxsize=512)
def read(entity_type: str, names: frozenset[str]) -> Statement:
    """Return the statement that reads those of *names* that are columns of rows that *entity_type* has."""
    sources = {
        name: source
        for name in sorted(names)
        if isinstance(source := FACTS[name].source, Column) and source.of in ENTITIES[entity_type]
    }
    columns = [f"({source.sql})::{_CASTS[FACTS[name].kind]}" for name, source in sources.items()]
    selected = ",\n    ".join(("anchor.is_there", "customer.st_id IS NOT NULL", *columns))
    rows = {"customer"} | {source.of for source in sources.values()}
    return Statement(f"SELECT {selected}\n{_from(_ANCHORS[entity_type], rows)}", tuple(sources))


def row_of(name: str) -> str:
    """Return the row that a fact is a column of, "" for one that is none."""
    source = FACTS[name].source
    return source.of if isinstance(source, Column) else ""


def _from(anchor: _Anchor, rows: Iterable[str]) -> str:
    ids = ",\n        ".join(f"{anchor.ids.get(name, 'NULL::bigint')} AS {name}" for name in _IDS)
    job = anchor.ids.get("job_id", "NULL::bigint")
    owner = f"coalesce($2::bigint, {anchor.ids['customer_id']})"
    wanted = set(rows)
    return "\n".join(
        (
            "FROM (",
            f"    SELECT one.st_id IS NOT NULL AS is_there, {owner} AS owner_id,",
            f"        {ids}",
            "    FROM (SELECT) AS always",
            f"    LEFT JOIN servicetitan.{anchor.table} AS one ON one.st_id = $1::bigint",
            f"    LEFT JOIN servicetitan.st_jobs AS job ON job.st_id = {job}",
            ") AS anchor",
            *(f"LEFT JOIN {text}" for row, text in _ROWS.items() if row in wanted),
        )
    )
