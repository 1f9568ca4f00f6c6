"""What happens to jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcd.events.event import Becomes, Created, Doubt, EventRule, Moves, Surroundings
from pcd.events.rules.states import is_value, known, what_changed
from pcd.tables.jpm import JOBS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pcd.changes.change import State

_STATUS = known(JOBS, "job_status")
_PAYLOAD = {"jobId": "st_id", "customerId": "customer_id", "jobNumber": "job_number", "status": "job_status"}


def _unit(_before: State | None, after: State, around: Surroundings, _at: datetime) -> Mapping[str, Any]:
    return {"businessUnit": around.units.get(after.get("business_unit_id") or 0)}


def _unit_is_known(state: State, around: Surroundings) -> Doubt | None:
    unit = state.get("business_unit_id")
    if unit is None or unit in around.units:
        return None
    return Doubt(reason=f"business unit {unit} has not arrived yet", waits_for=("business_units", unit))


def _is_install(state: State, around: Surroundings) -> bool:
    name = around.units.get(state.get("business_unit_id") or 0, "").casefold()
    return any(word.casefold() in name for word in around.install_names)


def _start_moves(before: State, after: State) -> bool:
    was, now = before.get("scheduled_start"), after.get("scheduled_start")
    return was is not None and now is not None and was != now


JOB_CREATED = EventRule(
    type="job_created",
    entity="job",
    resource="jobs",
    columns=("job_status", "business_unit_id"),
    meaning="A job that was never here before arrives.",
    when=Created(),
    once=True,
    doubts=(_STATUS,),
    payload=_PAYLOAD,
    row="job",
    computed_keys=("businessUnit",),
    compute=_unit,
)

INSTALL_JOB_CREATED = EventRule(
    type="install_job_created",
    entity="job",
    resource="jobs",
    columns=("business_unit_id", "job_status"),
    meaning="A job arrives in a business unit whose name holds one of events.install_business_units, or moves"
    " into one later; once a job. Renaming a unit makes none.",
    when=Becomes(test=_is_install),
    once=True,
    doubts=(_unit_is_known,),
    payload=_PAYLOAD,
    row="job",
    computed_keys=("businessUnit",),
    compute=_unit,
)

JOB_COMPLETED = EventRule(
    type="job_completed",
    entity="job",
    resource="jobs",
    columns=("job_status", "job_completion_time", "business_unit_id"),
    meaning="The status becomes Completed, or the job arrives already completed; completed again after having"
    " been reopened is another one.",
    when=Becomes(test=is_value("job_status", "Completed"), at="job_completion_time"),
    doubts=(_STATUS,),
    payload=_PAYLOAD | {"completedAt": "job_completion_time"},
    row="job",
    computed_keys=("businessUnit",),
    compute=_unit,
)

JOB_CANCELED = EventRule(
    type="job_canceled",
    entity="job",
    resource="jobs",
    columns=("job_status", "business_unit_id"),
    meaning="The status becomes Canceled, or the job arrives already canceled; canceled again after having"
    " been revived is another one.",
    when=Becomes(test=is_value("job_status", "Canceled")),
    doubts=(_STATUS,),
    payload=_PAYLOAD,
    row="job",
    computed_keys=("businessUnit",),
    compute=_unit,
)

JOB_RESCHEDULED = EventRule(
    type="job_rescheduled",
    entity="job",
    resource="jobs",
    columns=("scheduled_start", "scheduled_end"),
    meaning="The start of the job's first appointment that is not canceled moves to another instant; being"
    " scheduled for the first time is none.",
    when=Moves(columns=("scheduled_start",), test=_start_moves),
    payload=_PAYLOAD | {"scheduledStart": "scheduled_start", "scheduledEnd": "scheduled_end"},
    row="job",
    computed_keys=("changed", "before"),
    compute=what_changed("scheduled_start", "scheduled_end"),
)

RULES = (JOB_CREATED, INSTALL_JOB_CREATED, JOB_RESCHEDULED, JOB_COMPLETED, JOB_CANCELED)
