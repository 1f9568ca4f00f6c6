"""What a simulated sub-account has unless told otherwise: the pipelines of config.toml, fields, users."""

from __future__ import annotations

from pcd.sim.ghl.records import CustomField, Pipeline, RemoteWorkflow, Stage, User

SCOPES = frozenset(
    {
        "contacts.readonly",
        "contacts.write",
        "opportunities.readonly",
        "opportunities.write",
        "locations.readonly",
        "locations/customFields.readonly",
        "locations/customFields.write",
        "locations/tags.readonly",
        "users.readonly",
        "workflows.readonly",
        "conversations.readonly",
        "conversations.write",
        "conversations/message.readonly",
        "conversations/message.write",
    }
)

PIPELINES = (
    Pipeline(
        id="fWJfnMsPzwOXgKdWxdjC",
        name="SALES PIPELINE",
        stages=(
            Stage(id="3dc14ef1-7883-40d4-9831-61a313a46e0a", name="New Lead"),
            Stage(id="56ab4d16-e629-4315-a755-7755677e03e1", name="Contacted"),
            Stage(id="e439d832-d8af-47a6-b459-26ed1f210f96", name="Appointment Scheduled"),
            Stage(id="a75d3c82-8e40-4624-a401-ccf1cc52cca7", name="Appointment Completed - Proposal Sent"),
            Stage(id="de5601ac-5dbe-4980-a960-b1699b9f4a74", name="Estimate Follow-up"),
            Stage(id="97703c8d-1dc6-46f3-a537-601678cedebd", name="Job Sold"),
            Stage(id="a7ca7df5-0d82-4bd6-9b79-27f4b124a1db", name="Estimate Lost"),
        ),
    ),
    Pipeline(
        id="bbsMqYClVMDN26Lr6HdV",
        name="INSTALL PIPELINE",
        stages=(
            Stage(id="acf34a4c-30c1-4511-85ed-d384f0dc8365", name="Estimate Approved / Job Created"),
            Stage(id="e8731690-0d3a-43a9-bed6-921c70027099", name="Pre-install: Planning, Permitting"),
            Stage(id="67fb706b-9213-475c-a74f-6ce2f787a2cb", name="Scheduled / Ready for Install"),
            Stage(id="56e0e29a-61a9-4ec9-9e86-2ce22a256fbe", name="In Progress / On Site"),
            Stage(id="47780057-58fa-495f-80dc-e1f4cf8f4862", name="On Hold / Return Visit Needed"),
            Stage(id="da971a59-2496-4b7c-9e32-0c0ee82fde76", name="Job Completed"),
        ),
    ),
    Pipeline(
        id="wSZFCaTL4sD8WGVjjgbr",
        name="Lead Nurture",
        stages=(
            Stage(id="5453a8b5-0000-4000-8000-000000000001", name="New Lead"),
            Stage(id="262f08d0-0000-4000-8000-000000000002", name="Contacted"),
        ),
    ),
)

# The options are those of a field for technicians; trees, because nobody is called after one here.
_TECHNICIANS = ("Alder", "Birch", "Cedar", "Dogwood", "Elder", "Fir", "Ginkgo", "Hazel")

CUSTOM_FIELDS = (
    CustomField(
        id="ctStCustomerId000001",
        key="contact.st_customer_id",
        name="ServiceTitan customer",
        model="contact",
    ),
    CustomField(
        id="ctPhoneExtension0001",
        key="contact.phone_extension",
        name="Phone extension",
        model="contact",
    ),
    CustomField(
        id="sJ3jmGpHGFUssEVZ9Npi",
        key="opportunity.techs",
        name="Techs",
        model="opportunity",
        data_type="MULTIPLE_OPTIONS",
        options=_TECHNICIANS,
    ),
    CustomField(
        id="opHelpers00000000001",
        key="opportunity.helpers",
        name="Helpers",
        model="opportunity",
        data_type="MULTIPLE_OPTIONS",
        options=_TECHNICIANS,
    ),
    CustomField(
        id="opStJob0000000000001",
        key="opportunity.st_job",
        name="ServiceTitan job and link",
        model="opportunity",
    ),
    CustomField(
        id="opStJobNumber0000001",
        key="opportunity.st_job_number",
        name="ServiceTitan job",
        model="opportunity",
    ),
    CustomField(
        id="opStJobLink000000001",
        key="opportunity.st_job_link",
        name="Link to the job",
        model="opportunity",
    ),
    CustomField(
        id="opPriority0000000001",
        key="opportunity.priority",
        name="Priority",
        model="opportunity",
        data_type="SINGLE_OPTIONS",
        options=("Normal", "High"),
    ),
    CustomField(
        id="opDeposit00000000001",
        key="opportunity.deposit",
        name="Deposit",
        model="opportunity",
        data_type="MONETORY",
    ),
)

USERS = (
    User(id="SimUser0000000000001", first_name="Osprey", last_name="Office", email="office@example.com"),
    User(id="SimUser0000000000002", first_name="Pelican", last_name="Sales", email="sales@example.com"),
)

WORKFLOWS = (
    RemoteWorkflow(id="wf-published-000001", name="Review request"),
    RemoteWorkflow(id="wf-draft-0000000001", name="Win back", status="draft"),
)
