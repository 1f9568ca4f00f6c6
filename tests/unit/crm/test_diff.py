"""The fewest calls from what we wrote last to what should stand there."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support.customers import SETTINGS, STAGES, customer, estimate, install, job, wished

from pcd.crm import diff as module
from pcd.crm.calls import Applied, AppliedOpportunity, CallKind, Current, Entity
from pcd.crm.desired import Stage
from pcd.crm.diff import body, contact_fields, diff, opportunity_fields
from pcd.ghl.shapes import Contact, Opportunity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.crm.calls import Plan
    from pcd.crm.desired import Desired, Fields
    from pcd.crm.settings import CrmSettings

ONE = replace(SETTINGS, allow_duplicate_opportunity=False)
NEW = wished(customer())
BOOKED = wished(customer(jobs=(job(visits=1),)), history=NEW.history)
OFFERED = wished(
    customer(jobs=(job(visits=1, technician_ids=(1,)),), estimates=(estimate(at=19),)), history=BOOKED.history
)


def applied(desired: Desired, settings: CrmSettings = SETTINGS) -> Applied:
    """Return what is applied once *desired* was brought about."""
    return Applied(
        contact_id="c",
        contact=contact_fields(desired.contact) if desired.contact else {},
        opportunities={
            one.cycle: AppliedOpportunity(id=f"o{one.cycle}", fields=opportunity_fields(one, settings))
            for one in desired.opportunities
        },
    )


def current(of: Applied, **changes: object) -> Current:
    """Return what GoHighLevel shows: what is applied, with *changes* in the first opportunity."""
    shown = {one.id or "": dict(one.fields) for one in of.opportunities.values()}
    shown["o1"] |= changes
    return Current(contact=of.contact, opportunities=shown)


def calls(plan: Plan) -> list[tuple[CallKind, str | None, set[str]]]:
    """Return kind, target and fields of each call."""
    return [(call.kind, call.target, set(call.fields)) for call in plan.calls]


def test_new_customer_costs_two_calls() -> None:
    plan = diff(Applied(), Current(), NEW, SETTINGS)
    assert [call.kind for call in plan.calls] == [CallKind.CREATE_CONTACT, CallKind.CREATE_OPPORTUNITY]
    assert body(plan.calls[0].fields) == {
        "firstName": "Rosa",
        "lastName": "Field",
        "name": "Rosa Field",
        "source": "ServiceTitan",
        "email": "rosa@example.com",
        "phone": "+12395550142",
        "customFields": [{"id": "f-customer", "field_value": "7"}],
    }
    assert body(plan.calls[1].fields) == {
        "name": "Rosa Field - New Customer Qualifying",
        "pipelineId": "p-sales",
        "pipelineStageId": "s-contacted",
        "status": "open",
    }


def test_first_push_of_a_customer_far_along_costs_two_calls() -> None:
    far = wished(customer(jobs=(job(), install(visits=1)), estimates=(estimate(1, "Sold"),)))
    assert len(diff(Applied(), Current(), far, SETTINGS).calls) == 2


@pytest.mark.parametrize("desired", [NEW, BOOKED, OFFERED], ids=["new", "booked", "offered"])
def test_nothing_changed_costs_nothing(desired: Desired) -> None:
    assert diff(applied(desired), current(applied(desired)), desired, SETTINGS).calls == ()
    assert diff(applied(desired), Current(), desired, SETTINGS).calls == ()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            NEW,
            BOOKED,
            [(CallKind.UPDATE_OPPORTUNITY, "o1", {"pipelineId", "pipelineStageId", "customFields.f-job"})],
            id="stage",
        ),
        pytest.param(
            BOOKED,
            OFFERED,
            [
                (
                    CallKind.UPDATE_OPPORTUNITY,
                    "o1",
                    {"pipelineId", "pipelineStageId", "name", "monetaryValue", "customFields.f-leads"},
                )
            ],
            id="stage, value, name and technicians in one call",
        ),
        pytest.param(
            NEW,
            wished(customer(phone="(239) 555-0143")),
            [(CallKind.UPDATE_CONTACT, "c", {"phone"})],
            id="phone",
        ),
        pytest.param(NEW, wished(customer(phone=None)), [], id="a phone that is gone is not erased"),
        pytest.param(NEW, wished(customer(email="not one")), [], id="a broken e-mail erases nothing"),
        pytest.param(
            NEW,
            wished(customer(do_not_contact=True)),
            [(CallKind.UPDATE_CONTACT, "c", {"dnd"})],
            id="do not contact",
        ),
        pytest.param(
            wished(customer(do_not_contact=True)), NEW, [], id="lifting do-not-contact is for a person"
        ),
        pytest.param(
            NEW,
            wished(customer(name="Field Pools", type="Commercial")),
            [
                (CallKind.UPDATE_CONTACT, "c", {"firstName", "lastName", "name"}),
                (CallKind.UPDATE_OPPORTUNITY, "o1", {"name"}),
            ],
            id="a last name that is no more is emptied",
        ),
        pytest.param(
            OFFERED,
            wished(customer(jobs=(job(visits=1),), estimates=(estimate(at=19),)), history=OFFERED.history),
            [(CallKind.UPDATE_OPPORTUNITY, "o1", {"customFields.f-leads"})],
            id="a technician who is taken off",
        ),
    ],
)
def test_only_what_changed_is_written(before: Desired, after: Desired, expected: object) -> None:
    assert calls(diff(applied(before), Current(), after, SETTINGS)) == expected


@pytest.mark.parametrize(
    ("theirs", "fields"),
    [
        pytest.param({"pipelineStageId": "s-new_lead"}, {"pipelineStageId"}, id="moved card"),
        pytest.param({"monetaryValue": "1.00"}, {"monetaryValue"}, id="another value"),
        pytest.param({"name": "My deal", "status": "abandoned"}, {"name", "status"}, id="name and status"),
        pytest.param({"customFields.f-leads": ["Bo"]}, {"customFields.f-leads"}, id="another technician"),
        pytest.param({"assignedTo": "u1"}, set(), id="what we say nothing about"),
    ],
)
def test_what_somebody_changed_is_kept_and_listed(theirs: Mapping[str, Any], fields: set[str]) -> None:
    plan = diff(applied(OFFERED), current(applied(OFFERED), **theirs), OFFERED, SETTINGS)
    assert plan.calls == ()
    assert {kept.field for kept in plan.kept} == fields
    for kept in plan.kept:
        assert (kept.entity, kept.target, kept.cycle) == (Entity.OPPORTUNITY, "o1", 1)
        assert kept.theirs == theirs[kept.field]


def test_kept_value_gives_way_when_the_facts_change() -> None:
    shown = current(applied(BOOKED), name="My deal", pipelineId="p-other", pipelineStageId="s-other")
    plan = diff(applied(BOOKED), shown, OFFERED, SETTINGS)
    (call,) = plan.calls
    assert (call.fields["pipelineId"], call.fields["pipelineStageId"]) == (
        "p-sales",
        "s-appointment_completed_proposal_sent",
    )
    assert plan.kept == ()


def test_order_of_choices_is_no_difference() -> None:
    two = wished(customer(jobs=(job(technician_ids=(1, 2)),)))
    shown = current(applied(two), **{"customFields.f-leads": ["Bo", "Ada"]})
    assert diff(applied(two), shown, two, SETTINGS).kept == ()


def test_upper_and_lower_case_are_nobodys_change() -> None:
    shown = {**contact_fields(NEW.contact), "firstName": "rosa", "name": "ROSA FIELD"} if NEW.contact else {}
    assert diff(applied(NEW), Current(contact=shown), NEW, SETTINGS).kept == ()
    corrected = wished(customer(name="rosa Field"))
    (first, _) = diff(applied(NEW), Current(), corrected, SETTINGS).calls
    assert first.fields == {"firstName": "rosa", "name": "rosa Field"}


ADOPTED = Applied(contact_id="c")


def test_adopted_contact_is_only_filled() -> None:
    shown = {"firstName": "Rosie", "email": "rosa@example.com", "phone": "", "source": "Facebook"}
    plan = diff(ADOPTED, Current(contact=shown), replace(NEW, opportunities=()), SETTINGS)
    (call,) = plan.calls
    assert set(call.fields) == {"lastName", "name", "phone", "customFields.f-customer"}
    assert [(kept.field, kept.ours, kept.theirs) for kept in plan.kept] == [("firstName", "Rosa", "Rosie")]
    (settled,) = plan.settled
    assert settled.fields == {"firstName": "Rosa", "email": "rosa@example.com"}


def test_adopted_contact_follows_the_facts_from_then_on() -> None:
    shown = {"firstName": "Rosie", "lastName": "Field", "email": "rosa@example.com"}
    plan = diff(ADOPTED, Current(contact=shown), NEW, SETTINGS)
    noted = {**plan.settled[0].fields, **plan.calls[0].fields}
    renamed = wished(customer(name="Rosalind Field"))
    after = diff(Applied(contact_id="c", contact=noted), Current(contact=shown), renamed, SETTINGS)
    assert after.calls[0].fields == {"firstName": "Rosalind", "name": "Rosalind Field"}


def test_adopted_contact_that_wants_no_contact_is_told_so() -> None:
    desired = replace(wished(customer(do_not_contact=True)), opportunities=())
    shown = {**contact_fields(desired.contact), "dnd": False} if desired.contact else {}
    (call,) = diff(ADOPTED, Current(contact=shown), desired, SETTINGS).calls
    assert call.fields == {"dnd": True}


def test_adopted_contact_that_was_not_read_is_left_alone() -> None:
    plan = diff(ADOPTED, Current(), replace(NEW, opportunities=()), SETTINGS)
    assert plan.calls == ()
    assert plan.held == ("contact c is to be adopted, but was not read yet",)


@pytest.mark.parametrize(
    ("stage", "status", "written"),
    [
        pytest.param("contacted", "open", True, id="behind"),
        pytest.param("job_sold", "open", False, id="ahead"),
        pytest.param("job_completed", "won", True, id="closed"),
        pytest.param("elsewhere", "open", True, id="unknown stage"),
    ],
)
def test_adopted_opportunity_is_not_moved_back(stage: str, status: str, *, written: bool) -> None:
    applied_ = replace(applied(OFFERED), opportunities={1: AppliedOpportunity(id="o1")})
    shown = current(applied(OFFERED), pipelineStageId=f"s-{stage}", status=status)
    plan = diff(applied_, shown, OFFERED, SETTINGS)
    assert any("pipelineStageId" in call.fields for call in plan.calls) is written
    assert ("pipelineStageId" in {kept.field for kept in plan.kept}) is not written


def test_adopted_opportunity_that_is_right_costs_nothing() -> None:
    applied_ = replace(applied(OFFERED), opportunities={1: AppliedOpportunity(id="o1")})
    plan = diff(applied_, current(applied(OFFERED)), OFFERED, SETTINGS)
    assert plan.calls == ()
    assert plan.settled[0].fields == opportunity_fields(OFFERED.opportunities[0], SETTINGS)


def test_creation_that_is_owed_is_not_owed_again() -> None:
    owed = Applied(
        contact={"firstName": "Rosa"}, opportunities={1: AppliedOpportunity(fields={"status": "open"})}
    )
    plan = diff(owed, Current(), BOOKED, SETTINGS)
    assert [(call.kind, call.target) for call in plan.calls] == [
        (CallKind.UPDATE_CONTACT, None),
        (CallKind.UPDATE_OPPORTUNITY, None),
    ]


def test_new_cycle_takes_over_the_opportunity_where_one_is_allowed() -> None:
    lost = customer(jobs=(job(status="Completed"),), estimates=(estimate(1, "Dismissed"),))
    before = wished(lost, ONE)
    after = wished(replace(lost, jobs=(*lost.jobs, job(2, at=15))), ONE, history=before.history)
    (call,) = diff(applied(before, ONE), Current(), after, ONE).calls
    assert (call.kind, call.target, call.cycle, call.reuses) == (CallKind.RESET_OPPORTUNITY, "o1", 2, 1)
    assert call.fields["status"] == "open"
    assert call.fields["pipelineStageId"] == "s-contacted"
    assert "reset" in call.why


def test_reset_always_says_where_it_begins_and_mends_what_a_person_changed() -> None:
    before = applied(NEW)
    second = replace(NEW, one_opportunity=True, opportunities=(replace(NEW.opportunities[0], cycle=2),))
    (call,) = diff(before, Current(), second, ONE).calls
    assert set(call.fields) == {"status", "pipelineId", "pipelineStageId"}
    (call,) = diff(before, current(before, name="My deal"), second, ONE).calls
    assert set(call.fields) == {"status", "pipelineId", "pipelineStageId", "name"}


@pytest.mark.parametrize("theirs", [{}, {"monetaryValue": "9.00"}], ids=["ours", "a person's"])
def test_reset_does_not_leave_the_new_cycle_what_the_old_one_was_worth(theirs: Mapping[str, str]) -> None:
    """A returning customer's new job would stand among the open ones with the last sale's value."""
    before = applied(OFFERED)
    second = replace(NEW, one_opportunity=True, opportunities=(replace(NEW.opportunities[0], cycle=2),))
    (call,) = diff(before, current(before, **theirs), second, ONE).calls
    assert call.fields["monetaryValue"] == "0.00"


def test_cycle_that_was_never_shown_has_nothing_to_take_over() -> None:
    nothing = Applied(contact_id="c", contact=applied(NEW).contact, opportunities={1: AppliedOpportunity()})
    second = replace(NEW, one_opportunity=True, opportunities=(replace(NEW.opportunities[0], cycle=2),))
    assert [call.kind for call in diff(nothing, Current(), second, ONE).calls] == [
        CallKind.CREATE_OPPORTUNITY
    ]


def test_missing_stage_stops_its_own_move_alone() -> None:
    stages = dict(STAGES)
    del stages[Stage.PROPOSAL_SENT]
    settings = replace(SETTINGS, stages=stages)
    plan = diff(applied(BOOKED), Current(), OFFERED, settings)
    assert calls(plan) == [
        (CallKind.UPDATE_OPPORTUNITY, "o1", {"name", "monetaryValue", "customFields.f-leads"})
    ]
    assert plan.held == (
        "cycle 1: the account has no stage appointment_completed_proposal_sent of the sales pipeline",
    )
    assert [call.kind for call in diff(Applied(), Current(), OFFERED, settings).calls] == [
        CallKind.CREATE_CONTACT
    ]


def test_merged_customers_opportunity_is_closed_and_nothing_else() -> None:
    merged = wished(customer(merged_into=8), history=OFFERED.history, is_linked=True)
    (call,) = diff(applied(OFFERED), Current(), merged, SETTINGS).calls
    assert (call.target, call.fields) == ("o1", {"status": "abandoned"})
    assert diff(Applied(), Current(), merged, SETTINGS).calls == ()


@pytest.mark.parametrize(
    ("value", "sent"), [("9000.00", "9000"), ("9000.50", "9000.5"), ("0.00", "0"), ("0.10", "0.1")]
)
def test_value_is_sent_as_a_number(value: str, sent: str) -> None:
    assert orjson.dumps(body({"monetaryValue": value})).decode() == f'{{"monetaryValue":{sent}}}'


def test_custom_fields_are_sent_as_a_list() -> None:
    fields: Fields = {"name": "x", "customFields.a": "1", "customFields.b": ["Ada"]}
    assert body(fields) == {
        "name": "x",
        "customFields": [{"id": "a", "field_value": "1"}, {"id": "b", "field_value": ["Ada"]}],
    }


def test_name_in_one_piece_is_put_together_where_it_is_not_shown() -> None:
    shown = module.contact_shown(Contact(id="c", first_name="Rosa", last_name="Field"))
    assert shown["name"] == "Rosa Field"


def test_what_goes_there_comes_back_the_same() -> None:
    """A field that we write must not look changed when GoHighLevel shows it."""
    wanted = contact_fields(NEW.contact) if NEW.contact else {}
    contact = Contact(
        id="c",
        first_name="Rosa",
        last_name="Field",
        name="Rosa Field",
        email="Rosa@example.com",
        phone="+12395550142",
        source="ServiceTitan",
        custom_fields={"f-customer": "7", "other": ("x",)},
    )
    assert wanted.items() <= module.contact_shown(contact).items()
    one = OFFERED.opportunities[0]
    opportunity = Opportunity(
        id="o1",
        name=one.name or "",
        pipeline_id="p-sales",
        stage_id="s-appointment_completed_proposal_sent",
        status="open",
        monetary_value=Decimal("9000.0"),
        custom_fields={"f-job": one.custom_fields["f-job"], "f-leads": ("Ada",)},
    )
    shown = Current(opportunities={"o1": module.opportunity_shown(opportunity)})
    assert diff(applied(OFFERED), shown, OFFERED, SETTINGS).kept == ()


def test_reason_of_a_call_holds_no_contact_data() -> None:
    changed = wished(customer(phone="(239) 555-0143", email="new@example.com", zip="34102"))
    (call,) = diff(applied(NEW), Current(), changed, SETTINGS).calls
    assert call.why == "ServiceTitan's facts changed: e-mail, phone, address"
