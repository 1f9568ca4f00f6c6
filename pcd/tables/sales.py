"""ServiceTitan's sales module: estimates and what they offer."""

from __future__ import annotations

from pcd.tables.documented import DOCUMENTED
from pcd.tables.spec import ExportEndpoint, ListEndpoint, Resource, col, index

_ITEM_COUNT = "CASE jsonb_typeof(d->'items') WHEN 'array' THEN jsonb_array_length(d->'items') END"

ESTIMATES = Resource(
    name="estimates",
    table="st_estimates",
    scope="tn.sal.estimates:r",
    documented=DOCUMENTED["estimates"],
    fresh=True,
    list=ListEndpoint(
        path="/sales/v2/tenant/{tenant}/estimates", inactive={"active": "Any"}, ids=True, sort="+Id"
    ),
    export=ExportEndpoint(path="/sales/v2/tenant/{tenant}/export/estimates"),
    columns=(
        col("job_id", "bigint", "jobId", tracked=True),
        col("customer_id", "bigint", "customerId", tracked=True),
        col("location_id", "bigint", "locationId"),
        # Estimates have no number of their own; the old worker wrote the job's.
        col("estimate_number", "varchar(100)", sql="coalesce(nullif(d->>'jobNumber', ''), d->>'id')"),
        col("name", "varchar(500)", "name", tracked=True),
        col("status", "varchar(50)", "status.name", known="Open Sold Dismissed", tracked=True),
        col("sold_by", "bigint", "soldBy"),
        col("sold_on", "timestamptz", "soldOn", tracked=True),
        col("subtotal", "numeric(18,4)", "subtotal", default="0"),
        col(
            "total",
            "numeric(18,4)",
            sql="(d->>'subtotal')::numeric + coalesce((d->>'tax')::numeric, 0)",
            default="0",
            tracked=True,
        ),
        col("items", "jsonb", "items", default="'[]'"),
        col("custom_fields", "jsonb", default="'{}'"),
        col("item_count", "integer", sql=_ITEM_COUNT, default="0"),
        col("sold_by_id", "bigint", "soldBy", tracked=True),
        col("last_synced_at", "timestamp"),
        col("tax", "numeric(12,2)", "tax", default="0"),
        col("business_unit_id", "bigint", "businessUnitId", tracked=True),
        col("business_unit_name", "varchar(255)", "businessUnitName"),
        col("project_id", "bigint", "projectId"),
        col("job_number", "varchar(100)", "jobNumber"),
        col("summary", "text", "summary"),
        col("review_status", "varchar(50)", "reviewStatus", known="None NeedsApproval Approved NotApproved"),
        col("is_recommended", "boolean", "isRecommended"),
        col("is_change_order", "boolean", "isChangeOrder"),
        col("proposal_tag_name", "varchar(255)", "proposalTagName"),
        col("deposit_amount", "numeric(18,4)", "depositAmount"),
        col("deposit_percent", "numeric(18,4)", "depositPercent"),
        col("active", "boolean", "active", default="true", tracked=True),
    ),
    indexes=(
        index("estimate_number"),
        index("job_id"),
        index("customer_id"),
        index("status"),
        index("total"),
        index("st_modified_on"),
    ),
)

ESTIMATE_ITEMS = Resource(
    name="estimate_items",
    table="st_estimate_items",
    scope="tn.sal.estimates:r",
    documented=DOCUMENTED["estimate_items"],
    # No export, and an item does not say which estimate it belongs to: the estimate's own
    # record lists its items.
    list=ListEndpoint(
        path="/sales/v2/tenant/{tenant}/estimates/items",
        inactive={"active": "Any"},
        ids=True,
        sort="+Id",
    ),
    columns=(
        col("sku_id", "bigint", "sku.id"),
        col("sku_name", "varchar(255)", "sku.name"),
        col("sku_display_name", "varchar(500)", "sku.displayName"),
        col("sku_type", "varchar(50)", "sku.type"),
        col("sku_account", "varchar(255)", "skuAccount"),
        col("description", "text", "description"),
        col("membership_type_id", "bigint", "membershipTypeId"),
        col("qty", "numeric(18,4)", "qty"),
        col("unit_rate", "numeric(18,4)", "unitRate"),
        col("total", "numeric(18,4)", "total", tracked=True),
        col("unit_cost", "numeric(18,4)", "unitCost"),
        col("total_cost", "numeric(18,4)", "totalCost"),
        col("item_group_name", "varchar(255)", "itemGroupName"),
        col("item_group_root_id", "bigint", "itemGroupRootId"),
        col("chargeable", "boolean", "chargeable"),
        col("invoice_item_id", "bigint", "invoiceItemId"),
        col("budget_code_id", "bigint", "budgetCodeId"),
        col("active", "boolean", default="true"),
    ),
    indexes=(index("sku_id"), index("invoice_item_id"), index("st_modified_on")),
)
