"""ServiceTitan's memberships module: who has a maintenance agreement."""

from __future__ import annotations

from pcd.tables.documented import DOCUMENTED
from pcd.tables.spec import ExportEndpoint, ListEndpoint, Resource, col, index

_RECURRENCE = "OneTime Monthly EveryOtherMonth Quarterly BiAnnual Annual"

MEMBERSHIPS = Resource(
    name="memberships",
    table="st_memberships",
    scope="tn.mem.memberships:r",
    documented=DOCUMENTED["memberships"],
    fresh=True,
    list=ListEndpoint(
        path="/memberships/v2/tenant/{tenant}/memberships",
        inactive={"active": "Any"},
        ids=True,
        sort="+Id",
    ),
    export=ExportEndpoint(path="/memberships/v2/tenant/{tenant}/export/memberships"),
    columns=(
        col("customer_id", "bigint", "customerId", tracked=True),
        col("location_id", "bigint", "locationId"),
        col("business_unit_id", "bigint", "businessUnitId", tracked=True),
        col("membership_type_id", "bigint", "membershipTypeId", tracked=True),
        col(
            "status",
            "varchar(50)",
            "status",
            known="Active Suspended Expired Canceled Deleted",
            tracked=True,
        ),
        col(
            "follow_up_status",
            "varchar(50)",
            "followUpStatus",
            known="NotAttempted Unreachable Contacted Won Dismissed",
        ),
        col("follow_up_on", "timestamptz", "followUpOn"),
        col("from_date", "date", "from", tracked=True),
        col("to_date", "date", "to", tracked=True),
        col("cancellation_date", "date", "cancellationDate", tracked=True),
        col("next_scheduled_bill_date", "date", "nextScheduledBillDate"),
        col("billing_frequency", "varchar(50)", "billingFrequency", known=_RECURRENCE),
        col("renewal_billing_frequency", "varchar(50)", "renewalBillingFrequency", known=_RECURRENCE),
        col("duration", "integer", "duration"),
        col("renewal_duration", "integer", "renewalDuration"),
        col("initial_deferred_revenue", "numeric(18,4)", "initialDeferredRevenue"),
        col("sold_by_id", "bigint", "soldById"),
        col("activated_by_id", "bigint", "activatedById"),
        col("renewed_by_id", "bigint", "renewedById"),
        col("cancellation_invoice_id", "bigint", "cancellationInvoiceId"),
        col("billing_template_id", "bigint", "billingTemplateId"),
        col("payment_method_id", "bigint", "paymentMethodId"),
        col("recurring_location_id", "bigint", "recurringLocationId"),
        col("customer_po", "varchar(255)", "customerPo"),
        col("memo", "text", "memo"),
        col("custom_fields", "jsonb", "customFields", default="'[]'"),
        col("created_by_id", "bigint", "createdById"),
        col("active", "boolean", "active", default="true", tracked=True),
    ),
    indexes=(index("customer_id"), index("status"), index("to_date"), index("st_modified_on")),
)
