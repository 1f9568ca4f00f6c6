"""Random rows as upstream might have them, strange ones among them, drawn without hypothesis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

_TODAY = datetime.now(UTC).date()


def draw(chance: Random, *, ids: int) -> tuple[str, int, Mapping[str, Any]]:
    """Return a row of estimates, jobs or invoices that some transaction writes."""
    resource = chance.choice(("estimates", "jobs", "invoices"))
    st_id = chance.randint(1, ids)
    if resource == "estimates":
        status = chance.choice((None, "Maybe", "Open", "Sold", "Sold", "Dismissed"))
        return resource, st_id, {"status": status, "total": Decimal(chance.choice((-5, 80, 80, 1250)))}
    if resource == "jobs":
        status = chance.choice((None, "Scheduled", "Completed", "Canceled"))
        return resource, st_id, {"job_status": status, "business_unit_id": chance.choice((None, 1, 2))}
    return (
        resource,
        st_id,
        {
            "status": chance.choice((None, "Posted", "Posted")),
            "total": Decimal(80),
            "balance": Decimal(chance.choice((0, 40, 80))),
            "due_date": _TODAY + timedelta(days=chance.choice((-9, -3, 9))),
            "active": chance.random() < 0.9,
        },
    )
