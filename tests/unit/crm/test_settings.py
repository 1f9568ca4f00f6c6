"""What the configuration and the account say together."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from support.customers import ENABLED
from support.shipped import shipped

from pcd.config import Config
from pcd.config.shape import GhlConfig, TechnicianOption
from pcd.crm.desired import Pipeline, Stage
from pcd.crm.settings import Place, settings_of
from pcd.ghl import shapes

SHIPPED = shipped()


def account(config: Config, *, without: Stage | None = None) -> tuple[shapes.Pipeline, ...]:
    """Return the pipelines of *config* as an account has them, one stage perhaps deleted."""
    stages = settings_of(config, since=ENABLED).stages
    ids = {
        pipeline: [s for s in stages if s.pipeline is pipeline and s is not without] for pipeline in Pipeline
    }
    return tuple(
        shapes.Pipeline(
            id=stages[found[0]].pipeline_id,
            stages=tuple(shapes.Stage(id=stages[stage].stage_id) for stage in found),
        )
        for found in ids.values()
    )


def test_shipped_configuration_knows_every_stage() -> None:
    settings = settings_of(SHIPPED, since=ENABLED)
    assert settings.stages.keys() == set(Stage)
    assert settings.stages[Stage.JOB_SOLD].stage_id == "97703c8d-1dc6-46f3-a537-601678cedebd"
    assert settings.stages[Stage.INSTALL_CREATED].pipeline_id == "bbsMqYClVMDN26Lr6HdV"
    assert settings.followup_after == timedelta(days=7)
    assert settings.since == ENABLED
    assert settings.install_names == ("Install",)


def test_stage_that_the_account_does_not_have_is_left_out() -> None:
    place = Place(pipelines=account(SHIPPED, without=Stage.FOLLOW_UP))
    assert set(Stage) - settings_of(SHIPPED, since=ENABLED, place=place).stages.keys() == {Stage.FOLLOW_UP}


def test_stage_without_an_id_is_left_out() -> None:
    assert settings_of(Config(), since=ENABLED).stages == {}


@pytest.mark.parametrize(
    ("country", "expected"), [pytest.param("gb", "GB", id="told"), pytest.param("", "US", id="not told")]
)
def test_country_is_the_accounts(country: str, expected: str) -> None:
    assert settings_of(SHIPPED, since=ENABLED, place=Place(country=country)).country == expected


def test_custom_fields_are_found_by_their_keys() -> None:
    place = Place(
        fields=(
            shapes.CustomField(id="f1", key="contact.st_customer_id"),
            shapes.CustomField(id="f2", key="opportunity.techs", options=("Ada", "Bo")),
            shapes.CustomField(id="f3", key="opportunity.other"),
        )
    )
    fields = settings_of(SHIPPED, since=ENABLED, place=place).custom_fields
    assert (fields.customer, fields.job) == ("f1", None)
    assert {role: one.id for role, one in fields.technicians.items()} == {"lead": "f2", "helper": "f2"}
    assert fields.technicians["lead"].options == {"Ada", "Bo"}
    assert settings_of(SHIPPED, since=ENABLED).custom_fields.technicians == {}


def test_switches_and_technicians_are_taken_over() -> None:
    ghl = GhlConfig(
        auto_sync_jobs=True,
        followup_after=None,
        sold_status="open",
        technicians={7: TechnicianOption(option="Ada", role="helper")},
    )
    settings = settings_of(msgspec.structs.replace(Config(), ghl=ghl), since=ENABLED)
    assert (settings.auto_sync_jobs, settings.auto_sync_customers) == (True, False)
    assert settings.followup_after is None
    assert settings.sold_status == "open"
    assert settings.technicians[7].role == "helper"


def test_account_says_how_many_opportunities_a_contact_may_have() -> None:
    place = Place(allow_duplicate_contact=True, allow_duplicate_opportunity=True)
    settings = settings_of(SHIPPED, since=ENABLED, place=place)
    assert settings.allow_duplicate_contact
    assert settings.allow_duplicate_opportunity
    assert not settings_of(SHIPPED, since=ENABLED).allow_duplicate_opportunity
