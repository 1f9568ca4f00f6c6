"""Changes and situations made by hand, for tests of what they mean."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pcd.changes.change import Change
from pcd.events.classify import classify
from pcd.events.event import Situation, Surroundings
from pcd.events.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pcd.changes.change import State
    from pcd.events.event import Verdict

NOW = datetime(2026, 3, 10, 15, tzinfo=UTC)
EAST = ZoneInfo("America/New_York")
AROUND = Surroundings(units={1: "Service", 2: "Pool Install"}, install_names=("install",), zone=EAST)
_IDS = count(1)

ESTIMATE: dict[str, Any] = {"status": "Open", "total": 1250, "name": "Repair", "job_id": 3, "customer_id": 7}
JOB: dict[str, Any] = {"job_status": "Scheduled", "business_unit_id": 1, "customer_id": 7}
INVOICE: dict[str, Any] = {
    "status": "Posted",
    "total": 100,
    "balance": 100,
    "due_date": "2026-03-20",
    "active": True,
    "customer_id": 7,
}
APPOINTMENT: dict[str, Any] = {"status": "Scheduled", "start_on": "2026-03-12T14:00:00+00:00", "job_id": 3}
ASSIGNMENT: dict[str, Any] = {"appointment_id": 4, "job_id": 3, "technician_id": 55, "active": True}
CUSTOMER: dict[str, Any] = {
    "name": "Heron Court HOA",
    "phone": None,
    "email": None,
    "balance": 0,
    "active": True,
}
MEMBERSHIP: dict[str, Any] = {"status": "Active", "to_date": "2026-06-30", "active": True}
CALL: dict[str, Any] = {"direction": "Inbound", "type": None, "status": "Ringing"}


def change(
    resource: str,
    before: State | None,
    after: State | None,
    *,
    st_id: int = 1,
    at: datetime = NOW,
    change_id: int | None = None,
) -> Change:
    """Return a change of one row at *at*; ids rise from call to call."""
    return Change(
        id=next(_IDS) if change_id is None else change_id,
        resource=resource,
        st_id=st_id,
        op="I" if before is None else "D" if after is None else "U",
        before=before,
        after=after,
        xid=1,
        changed_at=at,
    )


def history(resource: str, *states: State | None, st_id: int = 1, at: datetime = NOW) -> list[Change]:
    """Return the changes of a row that arrives as the first of *states* and goes on through the others."""
    before: State | None = None
    changes = []
    for state in states:
        changes.append(change(resource, before, state, st_id=st_id, at=at))
        before = state
    return changes


def verdict(changes: Iterable[Change], **known: Any) -> Verdict:  # noqa: ANN401 - fields of many types
    """Return what *changes* mean under all rules, *known* being fields of the situation."""
    return classify(changes, Situation(**{"surroundings": AROUND, **known}), RULES)


def types(changes: Iterable[Change], **known: Any) -> list[str]:  # noqa: ANN401 - fields of many types
    """Return the types of the facts that *changes* mean."""
    return [fact.rule.type for fact in verdict(changes, **known).facts]
