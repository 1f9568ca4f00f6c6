"""Both workflows of the old system, from its rows and as they are shipped, run whole without an agent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.detecting import upsert
from support.working import NEW_YORK, Shelf, Work, working

from pcd.actions import build
from pcd.clock import Clock
from pcd.config import BusinessConfig, Config, MessagingConfig, Secret
from pcd.config.shape import TwilioConfig
from pcd.rehearsal.rehearser import business_of
from pcd.workflows.facts.reader import FactReader
from pcd.workflows.loader import built_in, from_row
from pcd.workflows.performer import Performer
from pcd.workflows.runner import Runner

if TYPE_CHECKING:
    from uuid import UUID

    from pcd.db.pool import Database
    from pcd.workflows.workflow import Workflow

pytestmark = pytest.mark.asyncio

CONFIG = Config(
    business=BusinessConfig(name="Cool Air", phone="(407) 555-0100", review_link="https://r"),
    messaging=MessagingConfig(
        sms="twilio",
        quiet_hours="",
        max_per_day=100,
        max_per_week=100,
        twilio=TwilioConfig(account_sid="AC1", auth_token=Secret("token"), phone_number="+14075550100"),
    ),
)
IS_OPEN = "estimate.status == 'Open'"


def row(name: str, event: str, stops: list[str], *steps: tuple[str, str, str]) -> Workflow:
    """Return a row of the old table; a step is its delay, its condition and its text."""
    return from_row(
        {
            "id": None,
            "name": name,
            "description": "",
            "trigger_event": event,
            "trigger_conditions": "{}",
            "stop_conditions": json.dumps(stops),
            "steps": json.dumps(
                [
                    {
                        "step": n,
                        "delay": delay,
                        "condition": when,
                        "action": f"Send SMS to customer: '{text}'",
                    }
                    for n, (delay, when, text) in enumerate(steps, 1)
                ]
            ),
            "enabled": True,
            "max_concurrent_per_customer": 1,
            "priority": 0,
        }
    )


OLD_FOLLOW_UP = row(
    "Estimate Follow-Up - 4 Message Max",
    "estimate_created",
    [
        "estimate.status == 'Sold'",
        "estimate.status == 'Dismissed'",
        "workflow.message_count >= 4",
        "customer.opted_out == true",
    ],
    ("2 hours", "", "Hi {customer.name}! Your estimate is ${estimate.total}. Call {business.phone}"),
    ("2 days", IS_OPEN, "Hi {customer.name}, we're free on {next_available_date}"),
    ("5 days", IS_OPEN, "Hi {customer.name}, this is {technician.name}: {technician.phone}"),
    ("10 days", IS_OPEN, "Hi {customer.name}, 10% off until {deadline_date}"),
)
OLD_REVIEW = row(
    "Post-Service Review Request",
    "job_completed",
    ["workflow.message_count >= 2", "review_received == true"],
    ("2 hours", "", "Hi {customer.name}, how did it go? {review_link}"),
    ("3 days", "review_received == false", "Hi {customer.name}, a word from you helps: {review_link}"),
)


def shipped(name: str) -> Workflow:
    return next(one for one in (read() for _, read in built_in()) if one.name == name)


async def at_work(db: Database, workflow: Workflow) -> Work:
    """Return an engine with every action that there is, in a dry run."""
    await db.execute(*upsert("customers", 1, name="[name]", phone="(407) 555-0101", active=True))
    await db.execute(*upsert("jobs", 3, customer_id=1, job_status="Completed"))
    await db.execute(*upsert("estimates", 5, customer_id=1, job_id=3, status="Open", total=1500, active=True))
    start = datetime.now(UTC) + timedelta(hours=20)
    await db.execute(
        *upsert("appointments", 8, customer_id=1, job_id=3, status="Scheduled", start_on=start, active=True)
    )
    clock = Clock()
    work = await working(db, workflow)
    performer = Performer(
        store=work.store,
        versions=Shelf([workflow]),
        actions=build(CONFIG, db=db, ghl=None, clock=clock),
        reader=FactReader(db, business=business_of(CONFIG), zone=NEW_YORK, clock=clock),
        zone=NEW_YORK,
        clock=clock,
    )
    work.runner = Runner(work.store, performer, check_interval=timedelta(seconds=1), clock=clock)
    return work


async def run(work: Work, id_: UUID, *, steps: int) -> list[str]:
    """Let the time of each step come, and return the texts that were rehearsed."""
    async with work.running():
        for count in range(1, steps + 1):
            await work.pass_time(id_)
            await work.recorded(id_, count=count)
        await work.until("completed")
    rows = await work.db.fetch("SELECT body, status FROM automation.messaging_log ORDER BY created_at")
    assert {row["status"] for row in rows} == {"dry_run"}
    return [row["body"] for row in rows]


@pytest.mark.parametrize(
    ("workflow", "entity", "messages"),
    [
        (OLD_FOLLOW_UP, ("estimate", 5), 4),
        (shipped("Estimate Follow-Up - 4 Message Max"), ("estimate", 5), 4),
        (OLD_REVIEW, ("job", 3), 2),
        (shipped("Post-Service Review Request"), ("job", 3), 2),
        (shipped("Appointment Confirmation and Reminder"), ("appointment", 8), 2),
        (shipped("Appointment Moved"), ("appointment", 8), 1),
    ],
    ids=["old follow-up", "follow-up", "old review", "review", "appointment", "moved"],
)
async def test_workflow_runs_whole(
    db: Database, workflow: Workflow, entity: tuple[str, int], messages: int
) -> None:
    work = await at_work(db, workflow)
    about: dict[str, Any] = {"entity_type": entity[0], "entity_id": entity[1], "customer_id": 1}
    id_ = await work.begin(workflow=workflow, **about)
    texts = await run(work, id_, steps=len(workflow.steps))
    assert len(texts) == messages
    assert not any("{" in text for text in texts)
    assert await work.records(id_) == [(number, "completed") for number in range(1, messages + 1)]


async def test_estimate_sold_between_two_steps_ends_the_messages(db: Database) -> None:
    work = await at_work(db, OLD_FOLLOW_UP)
    id_ = await work.begin(workflow=OLD_FOLLOW_UP, entity_type="estimate", entity_id=5, customer_id=1)
    async with work.running():
        await work.pass_time(id_)
        await work.recorded(id_)
        await db.execute(*upsert("estimates", 5, status="Sold"))
        await work.pass_time(id_)
        await work.until("stopped")
    assert (await work.instance(id_))["stopped_reason"] == "estimate.status == 'Sold'"
    assert await db.fetchval("SELECT count(*) FROM automation.messaging_log") == 1
