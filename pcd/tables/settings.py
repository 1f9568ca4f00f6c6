"""ServiceTitan's settings module: the company's people, its units and its tags."""

from __future__ import annotations

from pcd.tables.documented import DOCUMENTED
from pcd.tables.spec import ExportEndpoint, ListEndpoint, Resource, col, index

BUSINESS_UNITS = Resource(
    name="business_units",
    table="st_business_units",
    scope="tn.stt.businessunits:r",
    documented=DOCUMENTED["business_units"],
    reference=True,
    list=ListEndpoint(
        path="/settings/v2/tenant/{tenant}/business-units", inactive={"active": "Any"}, ids=True
    ),
    export=ExportEndpoint(path="/settings/v2/tenant/{tenant}/export/business-units"),
    columns=(
        col("name", "varchar(255)", "name", tracked=True),
        col("official_name", "varchar(255)", "officialName"),
        col("active", "boolean", "active", default="true", tracked=True),
        # A person sets these two: a unit without a pipeline takes no part in the CRM.
        col("ghl_pipeline_id", "varchar(255)"),
        col("ghl_location_id", "varchar(255)"),
        col("total_jobs", "integer", default="0"),
        col("active_jobs", "integer", default="0"),
        col("last_synced_at", "timestamp"),
        col("code", "varchar(50)", "accountCode"),
        col("email", "varchar(255)", "email"),
        col("phone", "varchar(50)", "phoneNumber"),
        col("address", "text", "address"),
        col("trade", "varchar(255)", "trade.name"),
        col("division", "varchar(255)", "division.name"),
        col("tag_type_ids", "bigint[]", "tagTypeIds"),
        col("default_tax_rate", "numeric(18,8)", "defaultTaxRate"),
    ),
    indexes=(index("name"), index("active")),
)

TECHNICIANS = Resource(
    name="technicians",
    table="st_technicians",
    scope="tn.stt.technicians:r",
    documented=DOCUMENTED["technicians"],
    reference=True,
    list=ListEndpoint(path="/settings/v2/tenant/{tenant}/technicians", inactive={"active": "Any"}, ids=True),
    export=ExportEndpoint(path="/settings/v2/tenant/{tenant}/export/technicians"),
    columns=(
        col("name", "varchar(255)", "name", tracked=True),
        col("employee_id", "varchar(100)", "payrollId"),
        col("email", "varchar(255)", "email", tracked=True),
        col("phone", "varchar(50)", "phoneNumber", tracked=True),
        col("business_unit_id", "bigint", "businessUnitId", tracked=True),
        col("active", "boolean", "active", default="true", tracked=True),
        col("total_jobs", "integer", default="0"),
        col("completed_jobs", "integer", default="0"),
        col("total_revenue", "numeric(12,2)", default="0"),
        col("skills", "jsonb", "skills", default="'[]'"),
        col("hire_date", "date", "startDate"),
        col("last_synced_at", "timestamp"),
        col("first_name", "varchar(100)", "firstName"),
        col("last_name", "varchar(100)", "lastName"),
        col("role", "varchar(100)", sql="d->'positions'->>0"),
        col("is_technician", "boolean", default="true"),
        col("user_id", "bigint", "userId"),
        col("positions", "jsonb", "positions", default="'[]'"),
        col("mobile_phone", "varchar(50)", "mobilePhone"),
        col("main_zone_id", "bigint", "mainZoneId"),
        col("zone_ids", "bigint[]", "zoneIds"),
        col("is_managed_tech", "boolean", "isManagedTech"),
        col("team", "varchar(255)", "team"),
        col("status", "varchar(50)", "status", known="Idle Dispatched Working Meal"),
    ),
    indexes=(index("name"), index("active"), index("business_unit_id")),
)

EMPLOYEES = Resource(
    name="employees",
    table="st_employees",
    scope="tn.stt.employees:r",
    documented=DOCUMENTED["employees"],
    reference=True,
    list=ListEndpoint(path="/settings/v2/tenant/{tenant}/employees", inactive={"active": "Any"}, ids=True),
    export=ExportEndpoint(path="/settings/v2/tenant/{tenant}/export/employees"),
    columns=(
        col("name", "varchar(255)", "name", tracked=True),
        col("first_name", "varchar(100)", "firstName"),
        col("last_name", "varchar(100)", "lastName"),
        col("role", "varchar(100)", "role"),
        col("email", "varchar(255)", "email", tracked=True),
        col("phone", "varchar(50)", "phoneNumber", tracked=True),
        col("business_unit_id", "bigint", "businessUnitId", tracked=True),
        col("user_id", "bigint", "userId"),
        col("manager_id", "bigint", "managerId"),
        col("hire_date", "date", "startDate"),
        col("termination_date", "date", "terminationDate"),
        col("account_locked", "boolean", "accountLocked"),
        col("active", "boolean", "active", default="true", tracked=True),
    ),
    indexes=(index("name"), index("active")),
)

TAG_TYPES = Resource(
    name="tag_types",
    table="st_tag_types",
    scope="tn.stt.tagtypes:r",
    documented=DOCUMENTED["tag_types"],
    reference=True,
    list=ListEndpoint(path="/settings/v2/tenant/{tenant}/tag-types", inactive={"active": "Any"}),
    export=ExportEndpoint(path="/settings/v2/tenant/{tenant}/export/tag-types"),
    columns=(
        col("name", "varchar(255)", "name", tracked=True),
        col("active", "boolean", "active", default="true", tracked=True),
        col("last_synced_at", "timestamp"),
        col("code", "varchar(50)", "code"),
        col("color", "varchar(50)", "color"),
        col("entity_type", "varchar(50)"),
        col("importance", "varchar(50)", "importance", known="Medium High"),
        col("is_conversion_opportunity", "boolean", "isConversionOpportunity"),
        col("is_visible_on_dispatch_board", "boolean", "isVisibleOnDispatchBoard"),
    ),
    indexes=(index("name"),),
)
