"""All facts that there are: the declared ones, and every plain column of the mirror's rows."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pcd.tables import RESOURCES
from pcd.workflows.facts.declared import DECLARED
from pcd.workflows.facts.fact import Column, Fact, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROWS: Mapping[str, str] = MappingProxyType(
    {
        "customer": "customers",
        "job": "jobs",
        "appointment": "appointments",
        "estimate": "estimates",
        "invoice": "invoices",
        "membership": "memberships",
        "call": "calls",
        "technician": "technicians",
        "location": "locations",
        "unit": "business_units",
    }
)
"""The resource of each kind of row that facts speak of."""

_KINDS = {
    "text": Kind.TEXT,
    "varchar": Kind.TEXT,
    "numeric": Kind.NUMBER,
    "numeric(18,4)": Kind.MONEY,
    "numeric(12,2)": Kind.MONEY,
    "bigint": Kind.NUMBER,
    "integer": Kind.NUMBER,
    "double precision": Kind.NUMBER,
    "boolean": Kind.TRUTH,
    "date": Kind.DATE,
    "timestamptz": Kind.INSTANT,
    "timestamp": Kind.INSTANT,
}


def _columns() -> Iterator[Fact]:
    for of, resource in ROWS.items():
        for column in RESOURCES[resource].columns:
            kind = _KINDS.get(column.type) or _KINDS.get(column.type.partition("(")[0])
            if kind is None:
                continue
            naive = column.type == "timestamp"
            sql = f"{of}.{column.name} AT TIME ZONE 'UTC'" if naive else f"{of}.{column.name}"
            yield Fact(
                name=f"{of}.{column.name}",
                kind=kind,
                source=Column(of=of, sql=sql, column=column.name),
                meaning=f"The column of servicetitan.{RESOURCES[resource].table}.",
            )


FACTS: Mapping[str, Fact] = MappingProxyType({fact.name: fact for fact in (*_columns(), *DECLARED)})
"""Every fact by name. A declared one wins over the column of the same name."""
