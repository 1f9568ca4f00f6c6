"""Where work comes from: campaigns, and why people call (ServiceTitan's job booking module)."""

from __future__ import annotations

from pcd.tables.documented import DOCUMENTED
from pcd.tables.spec import ListEndpoint, Resource, col, index

CAMPAIGNS = Resource(
    name="campaigns",
    table="st_campaigns",
    scope="tn.mrk.campaigns:r",
    documented=DOCUMENTED["campaigns"],
    reference=True,
    list=ListEndpoint(
        path="/marketing/v2/tenant/{tenant}/campaigns", inactive={"active": "Any"}, ids=True, sort="+Id"
    ),
    columns=(
        col("name", "varchar(255)", "name", tracked=True),
        col("active", "boolean", "active", default="true", tracked=True),
        col("category_id", "bigint", "category.id"),
        col("category_name", "varchar(255)", "category.name"),
        col("source", "varchar(255)", "source"),
        col("other_source", "varchar(255)", "otherSource"),
        col("medium", "varchar(255)", "medium"),
        col("other_medium", "varchar(255)", "otherMedium"),
        col("business_unit", "varchar(255)", "businessUnit"),
        col("is_default_campaign", "boolean", "isDefaultCampaign"),
        col("campaign_phone_numbers", "jsonb", "campaignPhoneNumbers", default="'[]'"),
    ),
    indexes=(index("name"), index("active")),
)

CALL_REASONS = Resource(
    name="call_reasons",
    table="st_call_reasons",
    scope="tn.jbce.callreasons:r",
    documented=DOCUMENTED["call_reasons"],
    reference=True,
    list=ListEndpoint(path="/jbce/v2/tenant/{tenant}/call-reasons", inactive={"active": "Any"}, sort="+Id"),
    columns=(
        col("name", "varchar(255)", "name", tracked=True),
        col("is_lead", "boolean", "isLead"),
        col("active", "boolean", "active", default="true", tracked=True),
    ),
    indexes=(index("name"),),
)
