"""ServiceTitan's accounting module: invoices, their lines and what was paid.

Money arrives as strings here (``"189.00"``). The dates of invoices and payments are calendar days
of the business, written as midnight UTC; they become dates without any conversion.

Source: ServiceTitan's OpenAPI document "Accounting" of 2026-05-21 and its sample answers.
"""

from __future__ import annotations

from pcd.tables.documented import DOCUMENTED
from pcd.tables.spec import ExportEndpoint, ListEndpoint, Resource, col, index

_ITEM_COUNT = "CASE jsonb_typeof(d->'items') WHEN 'array' THEN jsonb_array_length(d->'items') END"
_PAID_INVOICES = """CASE jsonb_typeof(d->'appliedTo') WHEN 'array' THEN ARRAY(
    SELECT DISTINCT (applied->>'appliedTo')::numeric::bigint AS invoice_id
    FROM jsonb_array_elements(d->'appliedTo') AS applied
    WHERE applied->>'appliedTo' IS NOT NULL
    ORDER BY invoice_id) END"""

INVOICES = Resource(
    name="invoices",
    table="st_invoices",
    scope="tn.acc.invoices:r",
    documented=DOCUMENTED["invoices"],
    fresh=True,
    list=ListEndpoint(
        path="/accounting/v2/tenant/{tenant}/invoices",
        inactive={"activeState": "All"},
        ids=True,
        sort="+Id",
    ),
    export=ExportEndpoint(path="/accounting/v2/tenant/{tenant}/export/invoices"),
    columns=(
        col("job_id", "bigint", "job.id", tracked=True),
        col("customer_id", "bigint", "customer.id", tracked=True),
        col("location_id", "bigint", "location.id"),
        col("business_unit_id", "bigint", "businessUnit.id", tracked=True),
        col("invoice_number", "varchar(100)", sql="coalesce(nullif(d->>'referenceNumber', ''), d->>'id')"),
        col("status", "varchar(50)", "syncStatus", known="Pending Posted Exported", tracked=True),
        col("invoice_date", "date", "invoiceDate", tracked=True),
        col("due_date", "date", "dueDate", tracked=True),
        col("subtotal", "numeric(18,4)", "subTotal", default="0"),
        col("total", "numeric(18,4)", "total", default="0", tracked=True),
        col("balance", "numeric(18,4)", "balance", default="0", tracked=True),
        col("items", "jsonb", "items", default="'[]'"),
        col("custom_fields", "jsonb", "customFields", default="'{}'"),
        # These two follow the payments.
        col("paid_amount", "numeric(12,2)", default="0"),
        col("payment_count", "integer", default="0"),
        col("paid_on", "timestamp", "paidOn", tracked=True),
        col("last_synced_at", "timestamp"),
        col("payments", "text"),
        col("item_count", "integer", sql=_ITEM_COUNT, default="0"),
        col("tax", "numeric(12,2)", "salesTax", default="0"),
        col("job_number", "varchar(100)", "job.number"),
        col("project_id", "bigint", "projectId"),
        col("membership_id", "bigint", "membershipId"),
        col("adjustment_to_id", "bigint", "adjustmentToId"),
        col("invoice_type", "varchar(255)", "invoiceType.name"),
        col("term_name", "varchar(255)", "termName"),
        col("summary", "text", "summary"),
        col("discount_total", "numeric(18,4)", "discountTotal"),
        col("sent_status", "varchar(50)", "sentStatus", known="NotSent Sent Opened", tracked=True),
        col(
            "review_status",
            "varchar(50)",
            "reviewStatus",
            known="NeedsReview OnHold Reviewed PendingApproval Rejected ReadyForBilling Invoiced",
        ),
        col(
            "invoice_configuration",
            "varchar(50)",
            "invoiceConfiguration",
            known="JobInvoice ProjectInvoice CounterSales MembershipInvoice InterestChargeInvoice"
            " ARImportInvoice",
        ),
        col("deposited_on", "timestamptz", "depositedOn"),
        col("active", "boolean", "active", default="true", tracked=True),
    ),
    indexes=(
        index("invoice_number"),
        index("job_id"),
        index("customer_id"),
        index("status"),
        index("balance", where="balance > 0"),
        index("due_date"),
        index("st_modified_on"),
    ),
)

INVOICE_ITEMS = Resource(
    name="invoice_items",
    table="st_invoice_items",
    scope="tn.acc.invoiceitems:r",
    documented=DOCUMENTED["invoice_items"],
    export=ExportEndpoint(path="/accounting/v2/tenant/{tenant}/export/invoice-items"),
    columns=(
        col("invoice_id", "bigint", "invoiceId", tracked=True),
        col("description", "text", "description"),
        col("quantity", "numeric(18,4)", "quantity"),
        col("cost", "numeric(18,4)", "cost"),
        col("total_cost", "numeric(18,4)", "totalCost"),
        col("price", "numeric(18,4)", "price"),
        col("member_price", "numeric(18,4)", "memberPrice"),
        col("total", "numeric(18,4)", "total", tracked=True),
        col("type", "varchar(50)", "type", known="Service Material Equipment PriceModifier Unspecified"),
        col("sku_id", "bigint", "skuId"),
        col("sku_name", "varchar(255)", "skuName"),
        col("display_name", "varchar(500)", "displayName"),
        col("taxable", "boolean", "taxable"),
        col("inventory", "boolean", "inventory"),
        col("is_chargeable", "boolean", "isChargeable"),
        col("add_on", "boolean", "addOn"),
        col("item_group_name", "varchar(255)", "itemGroup.name"),
        col("membership_type_id", "bigint", "membershipTypeId"),
        col("sold_hours", "numeric(18,4)", "soldHours"),
        col("service_date", "date", "serviceDate"),
        col("position", "integer", "order"),
        col("business_unit_id", "bigint", "businessUnit.id"),
        col("technician_id", "bigint", "technicianId"),
        col("installed_equipment_id", "bigint", "installedEquipmentId"),
        col("estimate_item_id", "bigint", "estimateItemId"),
        col("created_by_id", "bigint", "createdById"),
        col("active", "boolean", "active", default="true", tracked=True),
    ),
    indexes=(index("invoice_id"), index("sku_id"), index("estimate_item_id"), index("st_modified_on")),
)

PAYMENTS = Resource(
    name="payments",
    table="st_payments",
    scope="tn.acc.payments:r",
    documented=DOCUMENTED["payments"],
    fresh=True,
    list=ListEndpoint(
        path="/accounting/v2/tenant/{tenant}/payments",
        inactive={"activeState": "All"},
        ids=True,
        sort="+Id",
    ),
    export=ExportEndpoint(path="/accounting/v2/tenant/{tenant}/export/payments"),
    columns=(
        col("customer_id", "bigint", "customer.id", tracked=True),
        col("business_unit_id", "bigint", "businessUnit.id", tracked=True),
        col("type", "varchar(100)", "type", tracked=True),
        col("type_id", "varchar(50)", "typeId"),
        col("status", "varchar(50)", "syncStatus", known="Pending Posted Exported", tracked=True),
        col("reference_number", "varchar(100)", "referenceNumber"),
        col("payment_date", "date", "date", tracked=True),
        col("total", "numeric(18,4)", "total", default="0", tracked=True),
        col("unapplied_amount", "numeric(18,4)", "unappliedAmount", default="0"),
        col("applied_to", "jsonb", "appliedTo", default="'[]'"),
        col("invoice_ids", "bigint[]", sql=_PAID_INVOICES),
        col("refunded_payment_id", "bigint", "refundedPaymentId", tracked=True),
        col("auth_code", "varchar(100)", "authCode"),
        col("check_number", "varchar(100)", "checkNumber"),
        col("memo", "text", "memo"),
        col("created_by", "varchar(255)", "createdBy"),
        col("custom_fields", "jsonb", "customFields", default="'[]'"),
        col("active", "boolean", "active", default="true", tracked=True),
    ),
    indexes=(
        index("customer_id"),
        index("payment_date"),
        index("invoice_ids", method="gin"),
        index("st_modified_on"),
    ),
)
