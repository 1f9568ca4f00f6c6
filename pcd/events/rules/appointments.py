"""What happens to appointments, and who goes to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.events.event import Becomes, Created, EventRule, Moves
from pcd.events.rules.states import changed, is_active, is_value, known, present, what_changed
from pcd.tables.jpm import APPOINTMENTS

if TYPE_CHECKING:
    from pcd.changes.change import State
    from pcd.events.event import Surroundings

_STATUS = known(APPOINTMENTS, "status")
_TIMES = ("start_on", "arrival_window_start", "arrival_window_end")
_OVER = ("Done", "Canceled")
_PAYLOAD = {
    "appointmentId": "st_id",
    "jobId": "job_id",
    "customerId": "customer_id",
    "status": "status",
    "startTime": "start_on",
    "endTime": "end_on",
}


def _is_moved(before: State, after: State) -> bool:
    moved = any(before.get(column) is not None for column in changed(before, after, *_TIMES))
    return moved and after.get("start_on") is not None and after.get("status") not in _OVER


def _is_assigned(state: State, _: Surroundings) -> bool:
    return is_active(state) and state.get("technician_id") is not None


APPOINTMENT_CREATED = EventRule(
    type="appointment_created",
    entity="appointment",
    resource="appointments",
    columns=("job_id", "start_on"),
    meaning="An appointment that was never here before arrives.",
    when=Created(),
    once=True,
    doubts=(present("start_on"),),
    payload=_PAYLOAD,
    row="appointment",
)

APPOINTMENT_RESCHEDULED = EventRule(
    type="appointment_rescheduled",
    entity="appointment",
    resource="appointments",
    columns=("status", *_TIMES),
    meaning="The start or the arrival window of an appointment that is neither done nor canceled moves.",
    when=Moves(columns=_TIMES, test=_is_moved),
    doubts=(_STATUS,),
    payload=_PAYLOAD
    | {"arrivalWindowStart": "arrival_window_start", "arrivalWindowEnd": "arrival_window_end"},
    row="appointment",
    computed_keys=("changed", "before"),
    compute=what_changed(*_TIMES),
)

APPOINTMENT_CANCELED = EventRule(
    type="appointment_canceled",
    entity="appointment",
    resource="appointments",
    columns=("status",),
    meaning="The status becomes Canceled, or the appointment arrives already canceled; canceled again after"
    " having been revived is another one.",
    when=Becomes(test=is_value("status", "Canceled")),
    doubts=(_STATUS,),
    payload=_PAYLOAD,
    row="appointment",
)

TECHNICIAN_ASSIGNED = EventRule(
    type="technician_assigned",
    entity="appointment",
    resource="appointment_assignments",
    columns=("appointment_id", "job_id", "technician_id", "technician_name", "active"),
    meaning="An active assignment of a technician to an appointment arrives, or an inactive one becomes"
    " active; counted for each technician.",
    when=Becomes(test=_is_assigned),
    doubts=(present("appointment_id"),),
    entity_column="appointment_id",
    scope="technician_id",
    payload={
        "assignmentId": "st_id",
        "appointmentId": "appointment_id",
        "jobId": "job_id",
        "technicianId": "technician_id",
        "technicianName": "technician_name",
    },
    row="assignment",
)

RULES = (APPOINTMENT_CREATED, APPOINTMENT_RESCHEDULED, APPOINTMENT_CANCELED, TECHNICIAN_ASSIGNED)
