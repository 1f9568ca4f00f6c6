"""ServiceTitan's dispatch module: who goes to which appointment."""

from __future__ import annotations

from pcd.tables.documented import DOCUMENTED
from pcd.tables.spec import ExportEndpoint, ListEndpoint, Resource, col, index

APPOINTMENT_ASSIGNMENTS = Resource(
    name="appointment_assignments",
    table="st_appointment_assignments",
    scope="tn.dis.appointmentassignments:r",
    documented=DOCUMENTED["appointment_assignments"],
    fresh=True,
    list=ListEndpoint(
        path="/dispatch/v2/tenant/{tenant}/appointment-assignments",
        inactive={"active": "Any"},
        ids=True,
        sort="+Id",
    ),
    # Unlike every other export, this one hides inactive rows unless asked: without it a technician
    # taken off an appointment would stay on it for ever.
    export=ExportEndpoint(
        path="/dispatch/v2/tenant/{tenant}/export/appointment-assignments", params={"active": "Any"}
    ),
    columns=(
        col("job_id", "bigint", "jobId", tracked=True),
        col("appointment_id", "bigint", "appointmentId", tracked=True),
        col("technician_id", "bigint", "technicianId", tracked=True),
        col("technician_name", "varchar(200)", "technicianName", tracked=True),
        col("assigned_by_id", "bigint", "assignedById"),
        col("assigned_on", "timestamptz", "assignedOn"),
        col("status", "varchar(50)", "status", known="Scheduled Dispatched Working Done", tracked=True),
        col("is_paused", "boolean", "isPaused"),
        col("active", "boolean", "active", default="true", tracked=True),
    ),
    indexes=(
        index("job_id"),
        index("appointment_id"),
        index("technician_id"),
        index("st_modified_on"),
    ),
)
