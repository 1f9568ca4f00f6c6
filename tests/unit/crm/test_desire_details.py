"""What an opportunity is called, whose it is, and what it is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from support.customers import (
    NOW,
    SALE,
    SETTINGS,
    customer,
    estimate,
    install,
    job,
    of,
    only,
    shown,
    wished,
)

from pcd.crm.desired import Stage

if TYPE_CHECKING:
    from pcd.crm.facts import CustomerFacts
    from pcd.crm.settings import CrmSettings


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        pytest.param(of(job(visits=1)), "Rosa Field - New Customer Qualifying", id="new"),
        pytest.param(
            of(job(), estimates=(estimate(total="9000.5"),)),
            "Rosa Field - Pool pump - $9,000.50",
            id="estimate",
        ),
        pytest.param(
            of(job(), estimates=(estimate(name=""),)),
            "Rosa Field - Estimate - $9,000",
            id="nameless estimate",
        ),
        pytest.param(of(install()), "Rosa Field - Install Job #1009", id="install without a value"),
        pytest.param(
            of(job(), install(), estimates=(SALE,)), "Rosa Field - Install Job #1009 - $9,000", id="install"
        ),
    ],
)
def test_opportunity_is_called_as_the_old_system_called_it(facts: CustomerFacts, name: str) -> None:
    assert only(wished(facts)).name == name


def test_opportunity_is_linked_to_its_job_and_estimate() -> None:
    one = only(wished(of(job(1), job(2), estimates=(estimate(1), estimate(2, total="10000", job_id=2)))))
    assert (one.job_id, one.estimate_id) == (2, 2)
    assert one.custom_fields["f-job"] == "https://go.servicetitan.com/#/Job/Index/2"


@pytest.mark.parametrize(
    ("technicians", "leads", "helpers"),
    [
        pytest.param((), (), (), id="none"),
        pytest.param((2, 1), ("Ada", "Bo"), (), id="two leads, in the order of their names"),
        pytest.param((1, 3), ("Ada",), ("Cy",), id="a lead and a helper"),
        pytest.param((1, 99), ("Ada",), (), id="one who is not in the configuration"),
        pytest.param((4,), (), (), id="one whose option is gone"),
    ],
)
def test_technicians_go_into_the_field_of_their_role(
    technicians: tuple[int, ...], leads: tuple[str, ...], helpers: tuple[str, ...]
) -> None:
    fields = only(wished(of(job(technician_ids=technicians)))).custom_fields
    assert (fields["f-leads"], fields["f-helpers"]) == (leads, helpers)


def test_technicians_are_those_of_the_job_that_the_opportunity_is_about() -> None:
    facts = of(job(technician_ids=(1,)), install(technician_ids=(2, 3)), estimates=(SALE,))
    assert only(wished(facts)).custom_fields["f-leads"] == ("Bo",)


def test_without_any_technician_configured_the_field_is_a_persons() -> None:
    desired = wished(of(job(technician_ids=(1,))), replace(SETTINGS, technicians={}))
    assert only(desired).custom_fields.keys() == {"f-job"}
    assert desired.notes == ()


def test_both_roles_may_share_a_field() -> None:
    lists = SETTINGS.custom_fields.technicians
    shared = replace(lists["lead"], options=frozenset({"Ada", "Cy"}))
    fields = replace(SETTINGS.custom_fields, technicians={"lead": shared, "helper": shared})
    one = only(wished(of(job(technician_ids=(3, 1))), replace(SETTINGS, custom_fields=fields)))
    assert one.custom_fields["f-leads"] == ("Ada", "Cy")


def test_sold_one_may_stay_open_until_it_is_installed() -> None:
    settings: CrmSettings = replace(SETTINGS, sold_status="open")
    sold, installed = of(job(), estimates=(SALE,)), of(job(), install(status="Completed"), estimates=(SALE,))
    assert only(wished(sold, settings)).status == "open"
    assert only(wished(installed, settings)).status == "won"


def test_merged_customer_gives_up_what_its_jobs_took_along() -> None:
    before = wished(of(job(), estimates=(estimate(at=19),)))
    merged = wished(customer(merged_into=8), history=before.history, is_linked=True)
    assert merged.contact is None
    assert shown(merged) == [(1, None, "abandoned", None)]
    assert merged.history == before.history
    again = wished(customer(merged_into=8), history=merged.history, is_linked=True)
    assert again == merged


def test_merged_customer_whose_jobs_stayed_goes_on() -> None:
    facts = of(job(), estimates=(estimate(at=19),))
    merged = wished(replace(facts, merged_into=8), history=wished(facts).history)
    assert shown(merged) == [(1, Stage.PROPOSAL_SENT, "open", "9000.00")]


def test_cents_are_rounded_once() -> None:
    sold = (estimate(1, "Sold", "0.125"), estimate(2, "Sold", "0.125"))
    assert only(wished(of(job(), estimates=sold))).value == Decimal("0.25")


def test_nothing_depends_on_the_time_but_the_follow_up() -> None:
    facts = of(job(visits=1), install(), estimates=(SALE,))
    assert wished(facts, now=NOW) == wished(facts, now=NOW + timedelta(days=900))


@pytest.mark.parametrize("status", ["Open", "Sold", "Dismissed"])
def test_switching_a_business_unit_off_takes_nothing_back(status: str) -> None:
    """The first unit that gets a pipeline switches all others off."""
    facts = customer(jobs=(job(status="Completed", visits=1),), estimates=(estimate(1, status, at=19),))
    before = wished(facts)
    off = replace(facts, estimates=tuple(replace(one, is_pushed=False) for one in facts.estimates))
    after = wished(off, history=before.history)
    assert shown(after) == shown(before)
    assert shown(wished(off, history=after.history)) == shown(before)
