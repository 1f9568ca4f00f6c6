"""What happens to memberships."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pcd.events.event import EventRule, FallsDue
from pcd.events.rules.states import day, end_of, is_active, known, midnight
from pcd.tables.memberships import MEMBERSHIPS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from pcd.changes.change import State
    from pcd.events.event import Surroundings

NOTICE = timedelta(days=30)
"""How long before its end a membership is expiring: time to call, or to write twice."""


def _stands(state: State) -> bool:
    return is_active(state) and state.get("status") == "Active"


def _notice(end: date, zone: ZoneInfo) -> datetime:
    return midnight(end - NOTICE, zone)


def _days_left(_before: State | None, state: State, around: Surroundings, at: datetime) -> Mapping[str, Any]:
    end = day(state, "to_date")
    return {"daysLeft": (end - at.astimezone(around.zone).date()).days if end else None}


MEMBERSHIP_EXPIRING = EventRule(
    type="membership_expiring",
    entity="membership",
    resource="memberships",
    columns=("status", "active", "to_date"),
    meaning=f"An active membership's last day is {NOTICE.days} days away, or nearer when it becomes active;"
    " once an end date. One that has ended already never is, nor one that was expiring before the baseline.",
    when=FallsDue(column="to_date", stands=_stands, moment=_notice, ends=end_of),
    doubts=(known(MEMBERSHIPS, "status"),),
    payload={
        "membershipId": "st_id",
        "customerId": "customer_id",
        "membershipTypeId": "membership_type_id",
        "status": "status",
        "from": "from_date",
        "to": "to_date",
    },
    row="membership",
    computed_keys=("daysLeft",),
    compute=_days_left,
)

RULES = (MEMBERSHIP_EXPIRING,)
