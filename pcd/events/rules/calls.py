"""What happens to calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.events.event import Becomes, EventRule
from pcd.events.rules.states import known
from pcd.tables.telecom import CALLS

if TYPE_CHECKING:
    from pcd.changes.change import State
    from pcd.events.event import Surroundings


def _is_missed(state: State, _: Surroundings) -> bool:
    return state.get("direction") == "Inbound" and state.get("type") == "Abandoned"


CALL_MISSED = EventRule(
    type="call_missed",
    entity="call",
    resource="calls",
    columns=("direction", "type"),
    meaning="The type of an inbound call becomes Abandoned (the caller hung up before anybody answered), or"
    " it arrives so; once a call.",
    when=Becomes(test=_is_missed),
    once=True,
    # A call that is still ringing has no type yet.
    doubts=(known(CALLS, "direction"), known(CALLS, "type", optional=True)),
    payload={
        "callId": "st_id",
        "customerId": "customer_id",
        "jobId": "job_id",
        "from": "from_number",
        "to": "to_number",
        "duration": "duration",
        "campaignId": "campaign_id",
        "reason": "reason_name",
    },
    row="call",
)

RULES = (CALL_MISSED,)
