"""What each event means, case by case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.changing import (
    APPOINTMENT,
    ASSIGNMENT,
    CALL,
    CUSTOMER,
    ESTIMATE,
    INVOICE,
    JOB,
    change,
    history,
    types,
    verdict,
)

from pcd.events.event import FallsDue, Moves
from pcd.events.rules import RULES
from pcd.events.statements import tracked

if TYPE_CHECKING:
    from pcd.events.event import EventRule

SOLD = ESTIMATE | {"status": "Sold"}
DISMISSED = ESTIMATE | {"status": "Dismissed"}
COMPLETED = JOB | {"job_status": "Completed"}
CANCELED = JOB | {"job_status": "Canceled"}
INSTALL = JOB | {"business_unit_id": 2}
PAID = INVOICE | {"balance": 0}

OLD_EVENTS = {
    "estimate_created": "estimateId customerId jobId status total customer estimate",
    "estimate_approved": "estimateId customerId total soldOn estimate",
    "estimate_rejected": "estimateId customerId estimate",
    "job_created": "jobId customerId jobNumber status businessUnit customer job",
    "job_completed": "jobId customerId completedAt businessUnit customer job",
    "install_job_created": "jobId customerId jobNumber status businessUnit customer job",
    "invoice_created": "invoiceId customerId total balance dueDate customer invoice",
    "invoice_overdue": "invoiceId customerId balance daysPastDue customer invoice",
    "appointment_created": "appointmentId jobId customerId startTime customer appointment",
}
NEW_EVENTS = (
    "estimate_updated job_canceled job_rescheduled appointment_rescheduled appointment_canceled"
    " technician_assigned invoice_paid customer_created customer_updated customer_merged call_missed"
    " membership_expiring"
)


@pytest.mark.parametrize(
    ("resource", "before", "after", "expected"),
    [
        pytest.param("estimates", None, ESTIMATE, "estimate_created", id="estimate arrives"),
        pytest.param("estimates", ESTIMATE, SOLD, "estimate_approved", id="estimate is sold"),
        pytest.param("estimates", SOLD, SOLD | {"total": 1300}, "estimate_updated", id="sold one is edited"),
        pytest.param(
            "estimates", SOLD, SOLD | {"sold_on": "2026-03-01"}, "estimate_updated", id="sale redated"
        ),
        pytest.param("estimates", SOLD, ESTIMATE, "estimate_updated", id="estimate is unsold"),
        pytest.param(
            "estimates", None, SOLD, "estimate_created estimate_approved", id="estimate arrives sold"
        ),
        pytest.param("estimates", ESTIMATE, DISMISSED, "estimate_rejected", id="estimate is dismissed"),
        pytest.param("estimates", DISMISSED, SOLD, "estimate_approved", id="dismissed one is sold after all"),
        pytest.param(
            "estimates", ESTIMATE, ESTIMATE | {"summary": "x"}, "", id="estimate changes where nobody looks"
        ),
        pytest.param("estimates", SOLD, None, "", id="sold estimate is deleted"),
        pytest.param("estimates", SOLD, SOLD, "", id="sold estimate comes back as it was"),
        pytest.param("jobs", None, JOB, "job_created", id="job arrives"),
        pytest.param("jobs", None, INSTALL, "job_created install_job_created", id="install job arrives"),
        pytest.param("jobs", JOB, INSTALL, "install_job_created", id="job moves into an install unit"),
        pytest.param(
            "jobs", JOB | {"business_unit_id": None}, INSTALL, "install_job_created", id="unit is given later"
        ),
        pytest.param("jobs", INSTALL, JOB, "", id="job leaves an install unit"),
        pytest.param("jobs", INSTALL, INSTALL | {"job_status": "Hold"}, "", id="install job is held"),
        pytest.param("jobs", JOB, COMPLETED, "job_completed", id="job is completed"),
        pytest.param("jobs", COMPLETED, COMPLETED | {"invoice_total": 5}, "", id="completed job is edited"),
        pytest.param("jobs", None, COMPLETED, "job_created job_completed", id="job arrives completed"),
        pytest.param("jobs", JOB, CANCELED, "job_canceled", id="job is canceled"),
        pytest.param("jobs", None, CANCELED, "job_created job_canceled", id="job arrives canceled"),
        pytest.param(
            "jobs",
            JOB | {"scheduled_start": "2026-03-12T14:00:00"},
            JOB | {"scheduled_start": "2026-03-13T14:00:00"},
            "job_rescheduled",
            id="job moves to another day",
        ),
        pytest.param(
            "jobs", JOB, JOB | {"scheduled_start": "2026-03-13T14:00:00"}, "", id="job is scheduled at first"
        ),
        pytest.param(
            "jobs",
            JOB | {"scheduled_end": "2026-03-12"},
            JOB | {"scheduled_end": "2026-03-13"},
            "",
            id="job gets longer",
        ),
        pytest.param("invoices", None, INVOICE, "invoice_created", id="invoice arrives"),
        pytest.param("invoices", None, PAID, "invoice_created invoice_paid", id="invoice arrives paid"),
        pytest.param("invoices", INVOICE, PAID, "invoice_paid", id="invoice is paid"),
        pytest.param(
            "invoices", INVOICE, INVOICE | {"balance": -5}, "invoice_paid", id="invoice is overpaid"
        ),
        pytest.param("invoices", INVOICE, INVOICE | {"balance": 40}, "", id="invoice is paid in part"),
        pytest.param("invoices", PAID, PAID | {"balance": -5}, "", id="paid invoice is paid again"),
        pytest.param(
            "invoices",
            None,
            INVOICE | {"total": 0, "balance": 0},
            "invoice_created",
            id="empty invoice arrives",
        ),
        pytest.param(
            "invoices",
            INVOICE | {"total": 0, "balance": 0},
            PAID,
            "invoice_paid",
            id="charged and paid at once",
        ),
        pytest.param(
            "invoices", None, INVOICE | {"total": -40, "balance": -40}, "invoice_created", id="credit arrives"
        ),
        pytest.param("invoices", INVOICE, PAID | {"active": False}, "", id="invoice is voided"),
        pytest.param("appointments", None, APPOINTMENT, "appointment_created", id="appointment arrives"),
        pytest.param(
            "appointments",
            APPOINTMENT,
            APPOINTMENT | {"start_on": "2026-03-13T14:00:00+00:00"},
            "appointment_rescheduled",
            id="appointment moves",
        ),
        pytest.param(
            "appointments",
            APPOINTMENT | {"arrival_window_end": "2026-03-12T16:00:00+00:00"},
            APPOINTMENT | {"arrival_window_end": "2026-03-12T18:00:00+00:00"},
            "appointment_rescheduled",
            id="arrival window moves",
        ),
        pytest.param(
            "appointments",
            APPOINTMENT,
            APPOINTMENT | {"arrival_window_end": "2026-03-12T18:00:00+00:00"},
            "",
            id="arrival window is given at first",
        ),
        pytest.param(
            "appointments",
            APPOINTMENT,
            APPOINTMENT | {"end_on": "2026-03-12T20:00:00+00:00"},
            "",
            id="it gets longer",
        ),
        pytest.param(
            "appointments",
            APPOINTMENT,
            APPOINTMENT | {"status": "Canceled", "start_on": "2026-03-13T14:00:00+00:00"},
            "appointment_canceled",
            id="appointment is canceled and moved",
        ),
        pytest.param(
            "appointment_assignments", None, ASSIGNMENT, "technician_assigned", id="technician is assigned"
        ),
        pytest.param(
            "appointment_assignments",
            None,
            ASSIGNMENT | {"active": False},
            "",
            id="an assignment arrives that was taken back",
        ),
        pytest.param(
            "appointment_assignments",
            ASSIGNMENT | {"active": False},
            ASSIGNMENT,
            "technician_assigned",
            id="technician is assigned again",
        ),
        pytest.param(
            "appointment_assignments",
            ASSIGNMENT,
            ASSIGNMENT | {"active": False},
            "",
            id="technician is taken off",
        ),
        pytest.param("customers", None, CUSTOMER, "customer_created", id="customer arrives"),
        pytest.param(
            "customers", CUSTOMER, CUSTOMER | {"phone": "1"}, "customer_updated", id="phone is found"
        ),
        pytest.param("customers", CUSTOMER, CUSTOMER | {"balance": 9}, "", id="customer's balance moves"),
        pytest.param(
            "customers",
            CUSTOMER,
            CUSTOMER | {"active": False, "merged_to_id": 9},
            "customer_merged",
            id="customer is merged",
        ),
        pytest.param("calls", None, CALL, "", id="telephone rings"),
        pytest.param("calls", CALL, CALL | {"type": "Abandoned"}, "call_missed", id="caller hangs up"),
        pytest.param("calls", None, CALL | {"type": "Abandoned"}, "call_missed", id="missed call arrives"),
        pytest.param("calls", CALL, CALL | {"type": "Booked"}, "", id="call is booked"),
        pytest.param(
            "calls",
            CALL,
            CALL | {"direction": "Outbound", "type": "Abandoned"},
            "",
            id="nobody answers our call",
        ),
    ],
)
def test_change_means(
    resource: str, before: dict[str, Any] | None, after: dict[str, Any] | None, expected: str
) -> None:
    assert types([change(resource, before, after)]) == expected.split()


def test_sold_again_is_another_fact() -> None:
    """The ordinal is counted where they are recorded; the first can only be the first."""
    found = verdict(history("estimates", SOLD, ESTIMATE, SOLD)).facts
    approved = [fact.first for fact in found if fact.rule.type == "estimate_approved"]
    assert approved == [True, False]


def test_rules_of_a_row_follow_in_the_order_of_life() -> None:
    """A workflow must not meet the approval of an estimate before its creation."""
    assert types(history("jobs", INSTALL | {"job_status": "Completed"})) == [
        "job_created",
        "install_job_created",
        "job_completed",
    ]


def test_each_technician_is_counted_apart() -> None:
    """Two go to one appointment; neither is the other's second time."""
    first, second = ASSIGNMENT, ASSIGNMENT | {"technician_id": 56}
    facts = verdict(
        [change("appointment_assignments", None, state, st_id=n) for n, state in enumerate((first, second))]
    ).facts
    assert [(fact.entity_id, fact.scope) for fact in facts] == [(4, "55."), (4, "56.")]


def test_an_update_says_what_changed() -> None:
    """And what it was."""
    (fact,) = verdict([change("estimates", ESTIMATE, ESTIMATE | {"total": 1300})]).facts
    assert fact.computed == {"changed": ["total"], "before": {"total": 1250}}


@pytest.mark.parametrize("type_", sorted(OLD_EVENTS))
def test_old_event_keeps_its_payload(type_: str) -> None:
    """Stored workflow conditions and other people's scripts read these keys."""
    rule = RULES[type_]
    keys = {*rule.payload, rule.row, *rule.computed_keys, "customer"}
    assert set(OLD_EVENTS[type_].split()) <= keys


def test_every_event_that_was_promised_is_declared() -> None:
    assert set(RULES) == {*OLD_EVENTS, *NEW_EVENTS.split()}


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.type)
def test_what_a_rule_reads_is_captured(rule: EventRule) -> None:
    """A rule that reads a column that no change carries would never see it move."""
    read = {*rule.columns, *filter(None, (rule.entity_column, rule.scope))}
    if isinstance(rule.when, FallsDue):
        read.add(rule.when.column)
    if isinstance(rule.when, Moves):
        read.update(rule.when.columns)
    assert read <= set(tracked(rule.resource))


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.type)
def test_what_a_payload_shows_is_in_the_row(rule: EventRule) -> None:
    """A column that changes do not carry would be null for ever."""
    names = {*tracked(rule.resource), "st_id"}
    assert {column for key, column in rule.payload.items() if key != "customerId"} <= names


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.type)
def test_meaning_is_sentences(rule: EventRule) -> None:
    assert rule.meaning[0].isupper()
    assert rule.meaning.endswith(".")
    assert "|" not in rule.meaning
