"""The sentences for a person who asks."""

from __future__ import annotations

from dataclasses import replace

from support.customers import SETTINGS, customer, day, estimate, install, job, wished

from pcd.crm import describe
from pcd.crm.calls import Applied, Call, CallKind, Current, Entity, Kept, Plan
from pcd.crm.desired import Stage
from pcd.crm.diff import diff
from pcd.crm.oddity import Oddity


def test_every_stage_has_a_title() -> None:
    assert describe.TITLES.keys() == set(Stage)


def test_what_should_stand_there_is_said() -> None:
    facts = customer(phone="x", jobs=(job(visits=1),), estimates=(estimate(at=19),))
    assert list(describe.desired(wished(facts))) == [
        "contact Rosa Field, known by e-mail",
        (
            "opportunity of cycle 1: Rosa Field - Pool pump - $9,000 in"
            " Appointment Completed - Proposal Sent, open, $9,000.00 (from job 1 and estimate 1)"
        ),
        "the stage moves on by itself at 2026-03-27 00:00 UTC",
        f"{Oddity.BROKEN_PHONE.value.input}. {Oddity.BROKEN_PHONE.value.outcome}",
    ]


def test_how_a_cycle_ended_is_said() -> None:
    facts = customer(
        jobs=(job(status="Completed"), install(status="Completed", completed_at=day(12))),
        estimates=(estimate(1, "Sold"),),
    )
    assert "cycle 1 ended as installed on 2026-03-07; a new job opens the next one" in describe.desired(
        wished(facts)
    )


def test_customer_without_a_contact_is_said_to_have_none() -> None:
    told = list(describe.desired(wished(customer(phone=None, email=None))))
    assert told[0] == "no contact is to be made, and one that is there is left alone"


def test_opportunity_that_is_given_up_is_said() -> None:
    history = wished(customer(jobs=(job(),))).history
    merged = wished(customer(merged_into=8), history=history, is_linked=True)
    assert "opportunity of cycle 1: abandoned, the rest as it is" in describe.desired(merged)


def test_calls_are_said_with_their_reason() -> None:
    plan = diff(Applied(), Current(), wished(customer()), SETTINGS)
    contact, opportunity = describe.plan(plan, SETTINGS)
    assert contact.startswith("create the contact: name Rosa; name Field;")
    assert contact.endswith("(the customer has no contact yet)")
    assert opportunity == (
        "create the opportunity of cycle 1: status open; stage Contacted;"
        " name Rosa Field - New Customer Qualifying (cycle 1 has no opportunity yet)"
    )


def test_what_is_kept_names_both_values_and_the_rule() -> None:
    kept = Kept(
        entity=Entity.OPPORTUNITY,
        target="o1",
        cycle=1,
        field="pipelineStageId",
        ours="s-contacted",
        theirs="s-job_sold",
    )
    assert describe.kept(kept, SETTINGS) == (
        "opportunity o1: stage is Job Sold, ServiceTitan says Contacted;"
        " kept until ServiceTitan's facts change"
    )
    assert "stage is stage elsewhere" in describe.kept(replace(kept, theirs="elsewhere"), SETTINGS)
    assert "custom fields is none" in describe.kept(
        replace(kept, field="customFields.x", ours=["Ada"], theirs=[]), SETTINGS
    )
    assert "value is $1.00" in describe.kept(replace(kept, field="monetaryValue", theirs="1.00"), SETTINGS)


def test_what_waits_is_said() -> None:
    plan = Plan(held=("cycle 1: the account has no stage contacted of the sales pipeline",))
    assert list(describe.plan(plan, SETTINGS)) == [f"waits: {plan.held[0]}"]


def test_reset_is_called_by_its_name() -> None:
    call = Call(kind=CallKind.RESET_OPPORTUNITY, target="o1", cycle=2, fields={"status": "open"}, why="w")
    assert describe.call(call, SETTINGS) == "reset the opportunity o1 of cycle 2: status open (w)"
