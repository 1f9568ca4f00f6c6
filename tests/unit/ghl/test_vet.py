from __future__ import annotations

import msgspec
import pytest

from pcd.config import GhlConfig, Secret
from pcd.config.shape import InstallPipeline, InstallStages, PipelinesConfig, SalesPipeline, SalesStages
from pcd.config.shape import TechnicianOption as Option
from pcd.ghl.shapes import CustomField, Pipeline, Stage, Subaccount
from pcd.ghl.vet import Finding, field_findings, pipeline_findings, settings_findings, subaccount_findings

SALES = {name: f"s-{name}" for name in SalesStages.__struct_fields__}
INSTALL = {name: f"i-{name}" for name in InstallStages.__struct_fields__}
CONFIG = GhlConfig(
    token=Secret("pit-hush"),
    location_id="loc",
    pipelines=PipelinesConfig(
        sales=SalesPipeline(id="p1", stages=SalesStages(**SALES)),
        install=InstallPipeline(id="p2", stages=InstallStages(**INSTALL)),
    ),
    technicians={7: Option(option="Otter"), 8: Option(option="Heron", role="helper")},
)
CUSTOMER = CustomField(id="f1", key="contact.st_customer_id", data_type="TEXT")
JOB = CustomField(id="f2", key="opportunity.st_job", data_type="TEXT")
TECHS = CustomField(
    id="f3", key="opportunity.techs", data_type="MULTIPLE_OPTIONS", options=("Otter", "Heron")
)


def stages(named: dict[str, str]) -> tuple[Stage, ...]:
    return tuple(Stage(id=stage, name=name.replace("_", " ").title()) for name, stage in named.items())


THERE = (
    Pipeline(id="p1", name="Sales", stages=stages(SALES)),
    Pipeline(id="p2", name="Install", stages=stages(INSTALL)),
)


def faults(findings: list[Finding]) -> list[str]:
    return [f"{found.subject}: {found.text} -> {found.remedy}" for found in findings if not found.ok]


def test_account_that_fits_has_no_fault() -> None:
    account = Subaccount(id="loc", name="Heron Bay", country="US", timezone="America/New_York")
    findings = [
        *settings_findings(CONFIG),
        *subaccount_findings(account),
        *pipeline_findings(CONFIG, THERE),
        *field_findings(CONFIG, contact=[CUSTOMER], opportunity=[JOB, TECHS]),
    ]
    assert faults(findings) == []
    assert findings


def test_missing_settings_are_named_with_their_variables() -> None:
    found = faults(list(settings_findings(GhlConfig())))
    assert "GHL_API_KEY" in found[0]
    assert "GHL_LOCATION_ID" in found[1]


def test_app_needs_its_secret_and_a_key_to_seal_with() -> None:
    oauth = msgspec.structs.replace(GhlConfig().oauth, client_id="app1", encryption_key=Secret("short"))
    config = msgspec.structs.replace(CONFIG, token=Secret(), oauth=oauth)
    found = faults(list(settings_findings(config)))
    assert [fault.split(" ->")[0] for fault in found] == [
        "app: ghl.oauth.client_secret is not set",
        "app: ghl.oauth.encryption_key has less than 16 characters",
    ]


def test_allowed_duplicate_contacts_are_a_fault() -> None:
    account = Subaccount(id="loc", allow_duplicate_contact=True, allow_duplicate_opportunity=True)
    assert len(faults(list(subaccount_findings(account)))) == 1


@pytest.mark.parametrize(
    ("there", "says"),
    [
        pytest.param((), "there is none at all", id="no pipeline"),
        pytest.param(THERE[1:], "set ghl.pipelines.sales.id to one of: Install = p2", id="another pipeline"),
        pytest.param(
            (
                Pipeline(id="p1", stages=(*THERE[0].stages[:-1], Stage(id="new", name="Estimate Lost"))),
                THERE[1],
            ),
            'set ghl.pipelines.sales.stages.estimate_lost = "new", which is Estimate Lost',
            id="stage made anew",
        ),
        pytest.param(
            (Pipeline(id="p1", name="Sales", stages=THERE[0].stages[:-1]), THERE[1]),
            "for estimate_lost there is no stage with the id s-estimate_lost",
            id="stage deleted",
        ),
    ],
)
def test_missing_stage_comes_with_what_to_set(there: tuple[Pipeline, ...], says: str) -> None:
    found = faults(list(pipeline_findings(CONFIG, there)))
    assert any(says in fault for fault in found), found


def test_pipeline_that_is_not_set_is_a_fault() -> None:
    found = faults(list(pipeline_findings(GhlConfig(), THERE)))
    assert [fault.split(" ->")[0] for fault in found] == [
        "sales pipeline: ghl.pipelines.sales.id is not set",
        "install pipeline: ghl.pipelines.install.id is not set",
    ]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param([JOB], "opportunities have no field opportunity.techs", id="no field"),
        pytest.param(
            [JOB, CustomField(id="f", key="opportunity.techs", data_type="TEXT", options=TECHS.options)],
            "holds no several options",
            id="another kind",
        ),
        pytest.param(
            [
                JOB,
                CustomField(
                    id="f", key="opportunity.techs", data_type="MULTIPLE_OPTIONS", options=("Heron",)
                ),
            ],
            "has no option 'Otter'",
            id="option missing",
        ),
        pytest.param(
            [
                JOB,
                CustomField(
                    id="f", key="opportunity.techs", data_type="CHECKBOX", options=("otter ", "Heron")
                ),
            ],
            'set ghl.technicians.7.option = "otter "',
            id="option spelled otherwise",
        ),
        pytest.param([TECHS], "there is none with the key opportunity.st_job", id="no field for the job"),
        pytest.param(
            [TECHS, CustomField(id="f", key="opportunity.st_jobs")],
            'or set ghl.custom_fields.job = "opportunity.st_jobs"',
            id="field of a similar key",
        ),
    ],
)
def test_missing_field_or_option_comes_with_what_to_do(fields: list[CustomField], says: str) -> None:
    found = faults(list(field_findings(CONFIG, contact=[CUSTOMER], opportunity=fields)))
    assert any(says in fault for fault in found), found


def test_field_that_is_not_wanted_is_no_fault() -> None:
    config = msgspec.structs.replace(
        CONFIG, technicians={}, custom_fields=msgspec.structs.replace(CONFIG.custom_fields, job="")
    )
    assert faults(list(field_findings(config, contact=[CUSTOMER], opportunity=[]))) == []
