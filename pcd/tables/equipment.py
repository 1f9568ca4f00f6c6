"""ServiceTitan's equipment module: what stands at the customer's."""

from __future__ import annotations

from pcd.tables.documented import DOCUMENTED
from pcd.tables.spec import ExportEndpoint, ListEndpoint, Resource, col, index

INSTALLED_EQUIPMENT = Resource(
    name="installed_equipment",
    table="st_installed_equipment",
    scope="tn.eqs.installedequipment:r",
    documented=DOCUMENTED["installed_equipment"],
    list=ListEndpoint(
        path="/equipmentsystems/v2/tenant/{tenant}/installed-equipment",
        inactive={"active": "Any"},
        ids=True,
        sort="+Id",
    ),
    export=ExportEndpoint(path="/equipmentsystems/v2/tenant/{tenant}/export/installed-equipment"),
    columns=(
        col("customer_id", "bigint", "customerId", tracked=True),
        col("location_id", "bigint", "locationId"),
        col("equipment_id", "bigint", "equipmentId"),
        col("invoice_item_id", "bigint", "invoiceItemId"),
        col("name", "varchar(500)", "name", tracked=True),
        col("type", "varchar(255)", "type.name"),
        col("status", "varchar(50)", "status", known="Installed Replaced", tracked=True),
        col("manufacturer", "varchar(255)", "manufacturer"),
        col("model", "varchar(255)", "model"),
        col("serial_number", "varchar(255)", "serialNumber"),
        col("barcode_id", "varchar(255)", "barcodeId"),
        col("memo", "text", "memo"),
        col("cost", "numeric(18,4)", "cost"),
        col("installed_on", "date", "installedOn", tracked=True),
        col("manufactured_on", "date", "manufacturedOn"),
        col("manufacturer_warranty_start", "date", "manufacturerWarrantyStart"),
        col("manufacturer_warranty_end", "date", "manufacturerWarrantyEnd", tracked=True),
        col("service_provider_warranty_start", "date", "serviceProviderWarrantyStart"),
        col("service_provider_warranty_end", "date", "serviceProviderWarrantyEnd", tracked=True),
        col("actual_replacement_date", "date", "actualReplacementDate"),
        col("predicted_replacement_date", "date", "predictedReplacementDate"),
        col("predicted_replacement_months", "integer", "predictedReplacementMonths"),
        col("tags", "jsonb", "tags", default="'[]'"),
        col("active", "boolean", "active", default="true", tracked=True),
    ),
    indexes=(index("customer_id"), index("location_id"), index("serial_number"), index("st_modified_on")),
)
