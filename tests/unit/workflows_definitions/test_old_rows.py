"""Rows of the old table, and what they and the definitions that pcd brings along speak of."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from unit.workflows_definitions.conftest import KNOWN

from pcd.errors import DefinitionError
from pcd.workflows.conditions import parse
from pcd.workflows.facts import FACTS
from pcd.workflows.loader import built_in, from_row
from pcd.workflows.validate import problems_of
from pcd.workflows.workflow import (
    After,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.workflows.workflow import Workflow


@pytest.mark.parametrize(
    ("source", "read"), [pytest.param(source, read, id=source) for source, read in built_in()]
)
def test_built_in_definition_is_whole_and_switched_off(source: str, read: Callable[[], Workflow]) -> None:
    workflow = read()
    assert not workflow.is_enabled
    assert workflow.description
    assert not list(problems_of(workflow, KNOWN))
    assert source.startswith("built-in ")


@pytest.mark.parametrize(
    "name",
    [
        "appointment.date",
        "appointment.time",
        "business.phone",
        "customer.name",
        "customer.opted_out",
        "deadline_date",
        "estimate.name",
        "estimate.total",
        "invoice.balance",
        "invoice.due_date",
        "invoice.number",
        "location.address",
        "next_available_date",
        "payment.link",
        "review.link",
        "review_link",
        "review_received",
        "technician.name",
        "technician.phone",
        "workflow.message_count",
    ],
)
def test_what_the_old_definitions_and_templates_mention_is_a_fact(name: str) -> None:
    assert FACTS[name].meaning


def test_built_in_definitions_answer_the_events_of_the_old_system() -> None:
    events = {read().trigger.event for _, read in built_in()}
    assert events == {
        "estimate_created",
        "job_completed",
        "job_created",
        "invoice_created",
        "invoice_overdue",
        "appointment_created",
        "appointment_rescheduled",
    }


def row(**columns: object) -> dict[str, Any]:
    return {
        "id": UUID(int=7),
        "name": "Estimate Follow-Up - 4 Message Max",
        "description": "Follow up",
        "trigger_event": "estimate_created",
        "trigger_conditions": '{"estimate.status": "Open", "estimate.total": {"$gte": 1000}}',
        "stop_conditions": json.dumps(
            ["estimate.status == 'Sold'", "workflow.message_count >= 4", "customer.opted_out == true"]
        ),
        "steps": json.dumps(
            [
                {
                    "step": 1,
                    "delay": "2 hours",
                    "action": "Send SMS to customer: 'Hi {customer.name}, it's ${estimate.total}.'",
                },
                {
                    "step": 2,
                    "delay": "2 days",
                    "condition": "estimate.status == Open",
                    "action": "Send SMS to customer offering the next available date",
                },
            ]
        ),
        "enabled": True,
        "max_concurrent_per_customer": 1,
        "priority": None,
        **columns,
    }


def test_old_row_is_understood() -> None:
    found = from_row(row())
    assert found.source == "row Estimate Follow-Up - 4 Message Max"
    assert found.row_id == UUID(int=7)
    assert found.is_enabled
    assert found.trigger.condition == parse("estimate.status == 'Open' and estimate.total >= 1000")
    assert [stop.condition for stop in found.stops] == [
        parse("estimate.status == 'Sold'"),
        parse("workflow.message_count >= 4"),
        parse("customer.opted_out == true"),
    ]
    first, second = found.steps
    assert (first.action, first.delay.wait) == ("send_sms", After(rest=timedelta(hours=2)))
    assert first.parameters == {"text": "Hi {customer.name}, it's ${estimate.total}."}
    assert (second.action, second.condition) == ("ask_agent", parse("estimate.status == 'Open'"))
    assert not list(problems_of(found, KNOWN))


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        ("total", "event.total"),
        ("estimate.job_id", "estimate.job_id"),
        ("estimate.items", "event.estimate.items"),
        ("customer.name", "customer.name"),
    ],
)
def test_paths_into_the_old_event_are_facts(path: str, fact: str) -> None:
    found = from_row(row(trigger_conditions=json.dumps({path: {"$ne": None}})))
    assert found.trigger.condition == parse(f"{fact} != null")


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"trigger_event": "estimate_sold"}, "there is no event 'estimate_sold'"),
        ({"trigger_conditions": '{"estimate.total": {"$gt3": 1}}'}, "there is no operator"),
        ({"stop_conditions": '["estimate.status == Sold or review_received"]'}, "there is no fact Sold"),
        ({"stop_conditions": "[\"estimate.stats == 'Sold'\"]"}, "stop 1.when: column 1: there is no fact"),
        ({"steps": "{}"}, "steps: expected a list"),
        ({"steps": '[{"delay": "soon", "action": "Call"}]'}, "step 1.delay"),
        ({"steps": "not json"}, "steps: "),
        ({"steps": '[{"delay": "1 day"}]'}, "step 1.action: expected a text"),
    ],
)
def test_bad_row_names_its_place(columns: dict[str, object], problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        from_row(row(**columns))
    assert problem in str(caught.value)
    assert str(caught.value).startswith("row Estimate Follow-Up")
