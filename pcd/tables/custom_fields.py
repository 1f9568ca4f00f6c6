"""The fields that the company added to its records itself: one list a kind of record, one table."""

from __future__ import annotations

from pcd.tables.documented import DOCUMENTED
from pcd.tables.spec import ListEndpoint, Resource, col, index


def _custom_fields(name: str, *, entity_type: str, path: str, scope: str, sort: str = "") -> Resource:
    """Return the resource of the custom fields of one kind of record.

    Their ids come from one sequence a tenant, so that the four lists share a table.
    """
    return Resource(
        name=name,
        table="st_custom_fields",
        scope=scope,
        documented=DOCUMENTED["custom_fields"],
        reference=True,
        list=ListEndpoint(path=path, sort=sort),
        constants={"entity_type": entity_type},
        columns=(
            col("name", "varchar(255)", "name"),
            col("data_type", "varchar(50)", "dataType"),
            col("data_type_options", "jsonb", "dataTypeOptions"),
            col("entity_type", "varchar(50)"),
            col("active", "boolean", default="true"),
        ),
        indexes=(index("name"), index("entity_type")),
    )


CUSTOM_FIELDS_CUSTOMERS = _custom_fields(
    "custom_fields_customers",
    entity_type="customer",
    path="/crm/v2/tenant/{tenant}/customers/custom-fields",
    scope="tn.crm.customers:r",
)
CUSTOM_FIELDS_LOCATIONS = _custom_fields(
    "custom_fields_locations",
    entity_type="location",
    path="/crm/v2/tenant/{tenant}/locations/custom-fields",
    scope="tn.crm.locations:r",
)
CUSTOM_FIELDS_JOBS = _custom_fields(
    "custom_fields_jobs",
    entity_type="job",
    path="/jpm/v2/tenant/{tenant}/jobs/custom-fields",
    scope="tn.jpm.jobs:r",
    sort="+Id",
)
CUSTOM_FIELDS_INVOICES = _custom_fields(
    "custom_fields_invoices",
    entity_type="invoice",
    path="/accounting/v2/tenant/{tenant}/invoices/custom-fields",
    scope="tn.acc.invoices:r",
)
