"""What happens to estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.events.event import Becomes, Created, EventRule, Moves
from pcd.events.rules.states import amount, changed, is_value, known, what_changed
from pcd.tables.sales import ESTIMATES

if TYPE_CHECKING:
    from pcd.changes.change import State

_STATUS = known(ESTIMATES, "status")
_TOTAL = amount("total")
_EDITED = ("name", "total", "job_id", "customer_id", "business_unit_id", "active")
_OF_THE_SALE = ("sold_on", "sold_by_id")
_COLUMNS = ("status", "total", *_EDITED, *_OF_THE_SALE)
_PAYLOAD = {
    "estimateId": "st_id",
    "customerId": "customer_id",
    "jobId": "job_id",
    "status": "status",
    "total": "total",
}


def _is_edited(before: State, after: State) -> bool:
    if changed(before, after, *_EDITED):
        return True
    if before.get("status") == after.get("status"):
        return bool(changed(before, after, *_OF_THE_SALE))
    return after.get("status") == "Open"


ESTIMATE_CREATED = EventRule(
    type="estimate_created",
    entity="estimate",
    resource="estimates",
    columns=("status", "total"),
    meaning="An estimate that was never here before arrives.",
    when=Created(),
    once=True,
    doubts=(_STATUS, _TOTAL),
    payload=_PAYLOAD,
    row="estimate",
)

ESTIMATE_APPROVED = EventRule(
    type="estimate_approved",
    entity="estimate",
    resource="estimates",
    columns=("status", "total", "sold_on"),
    meaning="The status becomes Sold, or the estimate arrives already sold; sold again after having been"
    " unsold is another one.",
    when=Becomes(test=is_value("status", "Sold"), at="sold_on"),
    doubts=(_STATUS, _TOTAL),
    payload=_PAYLOAD | {"soldOn": "sold_on"},
    row="estimate",
)

ESTIMATE_REJECTED = EventRule(
    type="estimate_rejected",
    entity="estimate",
    resource="estimates",
    columns=("status",),
    meaning="The status becomes Dismissed, or the estimate arrives already dismissed; dismissed again after"
    " having been reopened is another one.",
    when=Becomes(test=is_value("status", "Dismissed")),
    doubts=(_STATUS,),
    payload=_PAYLOAD,
    row="estimate",
)

ESTIMATE_UPDATED = EventRule(
    type="estimate_updated",
    entity="estimate",
    resource="estimates",
    columns=_COLUMNS,
    meaning="Name, total, job, customer, business unit or active changes, the status goes back to Open, or"
    " the date or seller of a sale is corrected; being sold or dismissed alone is not an update.",
    when=Moves(columns=_COLUMNS, test=_is_edited),
    payload=_PAYLOAD,
    row="estimate",
    computed_keys=("changed", "before"),
    compute=what_changed("status", *_EDITED, *_OF_THE_SALE),
)

RULES = (ESTIMATE_CREATED, ESTIMATE_UPDATED, ESTIMATE_APPROVED, ESTIMATE_REJECTED)
