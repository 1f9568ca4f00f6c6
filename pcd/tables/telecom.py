"""ServiceTitan's telecom module: calls."""

from __future__ import annotations

from pcd.tables.documented import DOCUMENTED
from pcd.tables.spec import ExportEndpoint, Resource, col, index

CALLS = Resource(
    name="calls",
    table="st_calls",
    scope="tn.tlc.calls:r",
    documented=DOCUMENTED["calls"],
    fresh=True,
    # The list (v3) wraps the call in another shape; one resource has one shape, so only the export is read.
    export=ExportEndpoint(path="/telecom/v2/tenant/{tenant}/export/calls"),
    columns=(
        col("direction", "varchar(50)", "direction", known="Inbound Outbound", tracked=True),
        col("status", "varchar(50)", "status", known="Ringing Answered Completed Initiated", tracked=True),
        col("type", "varchar(50)", "type", known="Abandoned Unbooked Excused Booked NotLead", tracked=True),
        col("from_number", "varchar(50)", "from", tracked=True),
        col("to_number", "varchar(50)", "to", tracked=True),
        col("duration", "varchar(50)", "duration", tracked=True),
        col("customer_id", "bigint", "customer.id", tracked=True),
        col("customer_name", "varchar(500)", "customer.name"),
        col("location_id", "bigint", "location.id"),
        col("campaign_id", "bigint", "campaign.id", tracked=True),
        col("campaign_name", "varchar(255)", "campaign.name"),
        col("job_id", "bigint", "job.id", tracked=True),
        col("job_number", "varchar(100)", "job.number"),
        col("lead_id", "bigint", "lead.id", tracked=True),
        col("reason_id", "bigint", "reason.id"),
        col("reason_name", "varchar(255)", "reason.name", tracked=True),
        col("agent_id", "bigint", "agent.id"),
        col("agent_name", "varchar(255)", "agent.name"),
        col("recording_url", "text", "recordingUrl"),
        col("voice_mail_path", "text", "voiceMailPath"),
        col("excuse_memo", "text", "excuseMemo"),
        col("tag", "varchar(255)", "tag"),
        col("active", "boolean", "active", default="true", tracked=True),
    ),
    indexes=(
        index("customer_id"),
        index("job_id"),
        index("campaign_id"),
        index("from_number"),
        index("st_created_on"),
        index("st_modified_on"),
    ),
)
