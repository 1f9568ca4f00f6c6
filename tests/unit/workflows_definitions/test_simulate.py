from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from pcd.config import Config
from pcd.messages.message import Channel
from pcd.messages.reader import Template
from pcd.messages.vet import Standing
from pcd.rehearsal.rehearser import pretend
from pcd.rehearsal.stage import Rehearsal
from pcd.workflows.decode import decode
from pcd.workflows.facts import Subject
from pcd.workflows.loader import built_in, from_row
from pcd.workflows.simulate import Past, World, simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.workflows.simulate import Timeline
    from pcd.workflows.workflow import Workflow

NEW_YORK = ZoneInfo("America/New_York")
START = datetime(2026, 3, 2, 15, tzinfo=UTC)  # Monday 10:00 in New York
BUSINESS = {
    "name": "Cool Air",
    "phone": "(407) 555-0100",
    "review_link": "https://r",
    "payment_link": "https://p",
}
FOUND: dict[str, Any] = {
    "estimate.status": "Open",
    "estimate.total": Decimal("1500.00"),
    "estimate.name": "New system",
    "customer.name": "[name]",
    "customer.type": "Residential",
    "customer.opted_out": False,
    "technician.name": "[technician]",
    "technician.phone": "(407) 555-0140",
    "next_available_date": None,
    "review_received": False,
}


def named(name: str) -> Workflow:
    return next(one for one in (read() for _, read in built_in()) if one.name == name)


def small(**keys: Any) -> Workflow:  # noqa: ANN401 - a definition's keys
    return decode({"name": "Small", "trigger": {"event": "estimate_created"}, **keys}, source="test")


def happened(hours: float, type_: str, **row: object) -> Past:
    at = START + timedelta(hours=hours)
    return Past(at, type_, "estimate", 5, 1, {"estimate": row, **row})


def world(*history: Past, present: datetime = START, **found: object) -> World:
    names = {name.replace("__", "."): value for name, value in found.items()}
    return World(
        subject=Subject(entity_type="estimate", entity_id=5, customer_id=1),
        found=FOUND | names,
        present=present,
        zone=NEW_YORK,
        business=BUSINESS,
        history=history,
    )


def stage(**more: Any) -> Rehearsal:  # noqa: ANN401 - fields
    return Rehearsal(zone=NEW_YORK, **{"templates": {}, **more})


def became(timeline: Timeline) -> list[tuple[str, str]]:
    return [(line.name, line.became) for line in timeline.lines]


def test_follow_up_sends_four_messages_in_business_hours() -> None:
    found = simulate(named("Estimate Follow-Up - 4 Message Max"), world(), stage(), started_at=START)
    shown = [f"{line.at.astimezone(NEW_YORK):%a %d %H:%M}" for line in found.messages]
    assert shown == ["Mon 02 12:00", "Wed 04 12:00", "Mon 09 12:00", "Thu 19 12:00"]
    assert found.status == "completed"
    assert "your estimate of $1,500.00" in found.lines[0].told
    assert "accept it by March 26, 2026" in found.lines[3].told


def test_estimate_sold_between_two_steps_stops_it_with_the_reason() -> None:
    later = START + timedelta(days=30)
    history = (
        happened(0, "estimate_created", status="Open"),
        happened(60, "estimate_approved", status="Sold"),
    )
    found = simulate(
        named("Estimate Follow-Up - 4 Message Max"),
        world(*history, present=later, estimate__status="Sold"),
        stage(),
        started_at=START,
    )
    assert became(found) == [("introduce", "completed"), ("follow_up", "completed"), ("call_back", "stopped")]
    assert (found.status, found.reason) == ("stopped", "goal_achieved")


def test_step_is_skipped_with_its_reason() -> None:
    steps = [{"name": "a", "when": "estimate.total > 2000", "action": "send_sms", "with": {"text": "x"}}]
    found = simulate(small(steps=steps), world(), stage(), started_at=START)
    assert found.lines[0].became == "skipped"
    assert found.lines[0].reason == "estimate.total > 2000 does not hold: estimate.total is 1500.00"


def test_missing_variable_fails_before_anything_is_sent() -> None:
    steps = [{"action": "send_sms", "with": {"text": "Hi {customer.name} {review_link}"}}]
    empty = World(
        subject=Subject(entity_type="estimate", entity_id=5, customer_id=1),
        found=FOUND,
        present=START,
        zone=NEW_YORK,
    )
    found = simulate(small(steps=steps), empty, stage(), started_at=START)
    assert (found.status, found.messages) == ("failed", ())
    assert "review_link is missing" in found.lines[0].reason


def test_without_an_agent_the_fallback_is_taken() -> None:
    step = {
        "action": "ask_agent",
        "with": {"instruction": "Write to {customer.name}"},
        "fallback": {"action": "send_sms", "with": {"text": "Hi {customer.name}"}},
    }
    found = simulate(small(steps=[step]), world(), stage(), started_at=START)
    assert [line.told for line in found.messages] == ["Hi [name]"]
    asked = simulate(small(steps=[step]), world(), stage(has_agent=True), started_at=START)
    assert [line.told for line in asked.lines] == ["asks the agent: instruction: Write to [name]"]


def test_customers_cap_makes_a_message_wait() -> None:
    standing = Standing(zone=NEW_YORK, max_per_day=1, max_per_week=10, sent_at=(START,))
    steps = [{"action": "send_sms", "with": {"text": "x"}}]
    standings = {Channel.SMS: standing}
    found = simulate(small(steps=steps), world(), stage(standings=standings), started_at=START)
    assert became(found) == [("step_1", "blocked"), ("step_1", "completed")]
    assert f"{found.messages[0].at.astimezone(NEW_YORK):%a %H:%M}" == "Tue 00:00"


def test_message_to_nobody_is_dropped_with_the_reason() -> None:
    steps = [{"action": "send_sms", "with": {"text": "x"}}]
    standings = {Channel.SMS: "the customer has no phone number"}
    found = simulate(small(steps=steps), world(), stage(standings=standings), started_at=START)
    assert became(found) == [("step_1", "dropped")]
    assert found.lines[0].reason == "the customer has no phone number"


def test_template_is_rendered() -> None:
    template = Template(
        name="t", channel="sms", subject="", body="It is ${estimate.total}", required=(), is_active=True
    )
    steps = [{"action": "send_sms", "with": {"template": "t"}}]
    found = simulate(small(steps=steps), world(), stage(templates={"t": template}), started_at=START)
    assert found.lines[0].told == "It is $1,500.00"


WAITING = [
    {
        "name": "thank",
        "wait_for": {"event": "estimate_approved", "within": "3d", "on_timeout": "skip"},
        "action": "send_sms",
        "with": {"text": "Thanks"},
        "branches": [{"when": "estimate.status == 'Sold'", "to": "end"}],
    },
    {"name": "call", "action": "create_task", "with": {"title": "Call about {estimate.name}"}},
]


@pytest.mark.parametrize(
    ("hours", "lines", "ended_after"),
    [
        (5, [("thank", "waiting"), ("thank", "completed")], 5),
        (500, [("thank", "waiting"), ("thank", "skipped"), ("call", "completed")], 72),
    ],
)
def test_step_waits_for_an_event_until_it_comes_or_the_time_is_up(
    hours: float, lines: list[tuple[str, str]], ended_after: float
) -> None:
    history = (
        happened(0, "estimate_created", status="Open"),
        happened(hours, "estimate_approved", status="Sold"),
    )
    present = START + timedelta(hours=600)
    found = simulate(small(steps=WAITING), world(*history, present=present), stage(), started_at=START)
    assert became(found) == lines
    assert found.ended_at == START + timedelta(hours=ended_after)


@pytest.mark.parametrize(
    ("when", "became_of_it"),
    [("estimate.total >= 1000", "completed"), ("event.estimate.total < 1000", "skipped")],
)
def test_event_that_is_waited_for_has_to_fulfil_the_condition(when: str, became_of_it: str) -> None:
    history = (
        happened(0, "estimate_created", status="Open"),
        happened(5, "estimate_approved", status="Sold", total=1500),
    )
    wait = {"event": "estimate_approved", "within": "3d", "when": when}
    steps = [{"wait_for": wait, "action": "send_sms", "with": {"text": "Thanks"}}]
    here = world(*history, present=START + timedelta(hours=600))
    found = simulate(small(steps=steps), here, stage(), started_at=START)
    assert became(found) == [("step_1", "waiting"), ("step_1", became_of_it)]


def test_moment_that_a_fact_holds_is_waited_for() -> None:
    steps = [
        {
            "delay": {"until": "appointment.start", "offset": "-24 hours"},
            "action": "send_sms",
            "with": {"text": "Tomorrow at {appointment.time}"},
        }
    ]
    start = datetime(2026, 3, 9, 14, tzinfo=UTC)
    found = simulate(small(steps=steps), world(appointment__start=start), stage(), started_at=START)
    assert found.messages[0].at == start - timedelta(hours=24)
    assert found.messages[0].told == "Tomorrow at 10:00 AM"


def test_wait_costs_its_time() -> None:
    steps = [{"action": "wait", "with": {"for": "3h"}}, {"action": "send_sms", "with": {"text": "x"}}]
    found = simulate(small(steps=steps), world(), stage(), started_at=START)
    assert found.messages[0].at == START + timedelta(hours=3)


def test_what_is_still_to_come_is_not_played() -> None:
    steps = [{"delay": "2 days", "action": "send_sms", "with": {"text": "x"}}]
    found = simulate(small(steps=steps), world(), stage(), started_at=START, until=START + timedelta(days=1))
    assert found.lines == ()
    assert found.due_at == START + timedelta(days=2)


def test_condition_that_cannot_be_judged_fails_and_is_told() -> None:
    steps = [{"when": "estimate.subtotal > 1", "action": "send_sms", "with": {"text": "x"}}]
    found = simulate(small(steps=steps), world(), stage(), started_at=START)
    assert found.status == "failed"
    assert "estimate.subtotal is not known" in found.reason


def old_row(
    name: str, event: str, conditions: object, stops: list[str], steps: list[dict[str, Any]]
) -> Workflow:
    """Return a row as the old system seeded it, as a workflow."""
    return from_row(
        {
            "id": None,
            "name": name,
            "description": "",
            "trigger_event": event,
            "trigger_conditions": json.dumps(conditions),
            "stop_conditions": json.dumps(stops),
            "steps": json.dumps([{"step": number, **step} for number, step in enumerate(steps, 1)]),
            "enabled": True,
            "max_concurrent_per_customer": 1,
            "priority": 0,
        }
    )


def test_old_follow_up_runs_whole_without_an_agent() -> None:
    is_open = "estimate.status == 'Open'"
    texts = (
        (None, "2 hours", "Hi {customer.name}! Your estimate is ${estimate.total}. Call {business.phone}"),
        (is_open, "2 days", "Hi {customer.name}, we're free on {next_available_date}"),
        (is_open, "5 days", "Hi {customer.name}, this is {technician.name}, call me: {technician.phone}"),
        (is_open, "10 days", "Hi {customer.name}, 10% off if you book by {deadline_date}"),
    )
    steps = [
        {"delay": delay, "action": f"Send SMS to customer: '{text}'", **({"condition": when} if when else {})}
        for when, delay, text in texts
    ]
    workflow = old_row(
        "Estimate Follow-Up - 4 Message Max",
        "estimate_created",
        {"estimate.status": "Open", "estimate.total": {"$gte": 1000}},
        [
            "estimate.status == 'Sold'",
            "estimate.status == 'Dismissed'",
            "workflow.message_count >= 4",
            "customer.opted_out == true",
        ],
        steps,
    )
    here = world(next_available_date=date(2026, 3, 6))
    found = simulate(workflow, here, stage(), started_at=START)
    assert len(found.messages) == 4
    assert found.status == "completed"
    assert found.lines[1].told == "Hi [name], we're free on March 6, 2026"


@pytest.mark.parametrize(("received", "messages"), [(False, 2), (True, 0)])
def test_old_review_request_runs_whole_and_stops_when_a_review_came(received: bool, messages: int) -> None:
    workflow = old_row(
        "Post-Service Review Request",
        "job_completed",
        {},
        ["workflow.message_count >= 2", "review_received == true"],
        [
            {"delay": "2 hours", "action": "Send SMS to customer: 'Tell us how it went: {review_link}'"},
            {
                "delay": "3 days",
                "condition": "review_received == false",
                "action": "Send SMS to customer: 'A short review helps: {review_link}'",
            },
        ],
    )
    found = simulate(workflow, world(review_received=received), stage(), started_at=START)
    assert len(found.messages) == messages
    assert found.status == ("stopped" if received else "completed")


@pytest.mark.parametrize(
    ("at", "started_at", "runs_at"),
    [
        ("02:30", datetime(2026, 3, 7, 17, tzinfo=UTC), "2026-03-08 03:00 EDT"),
        ("01:30", datetime(2026, 10, 31, 17, tzinfo=UTC), "2026-11-01 01:30 EDT"),
    ],
    ids=["spring", "autumn"],
)
def test_step_runs_once_on_the_day_the_clocks_change(at: str, started_at: datetime, runs_at: str) -> None:
    steps = [{"delay": {"at": at}, "action": "send_sms", "with": {"text": "x"}}]
    found = simulate(small(steps=steps), world(), stage(), started_at=started_at)
    assert [f"{line.at.astimezone(NEW_YORK):%Y-%m-%d %H:%M %Z}" for line in found.messages] == [runs_at]
    days = [{"delay": "1 day", "action": "send_sms", "with": {"text": "x"}}]
    day_before = started_at.astimezone(NEW_YORK).replace(hour=int(at[:2]), minute=30)
    found = simulate(small(steps=days), world(), stage(), started_at=day_before.astimezone(UTC))
    assert [f"{line.at.astimezone(NEW_YORK):%Y-%m-%d %H:%M %Z}" for line in found.messages] == [runs_at]


@pytest.mark.parametrize(
    ("source", "read"), [pytest.param(source, read, id=source) for source, read in built_in()]
)
def test_built_in_definition_can_be_tried_on_a_made_up_event(
    source: str, read: Callable[[], Workflow]
) -> None:
    assert source
    trial = pretend(read(), {}, config=Config(), now=START)
    assert trial.timeline is not None
    assert trial.timeline.status == "completed"
    assert any(line.told for line in trial.timeline.lines)
