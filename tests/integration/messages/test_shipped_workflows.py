"""The workflows that pcd brings along, with the real engine and actions, against a simulated GoHighLevel."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from support.detecting import upsert
from support.working import NEW_YORK, Shelf, Work, working

from pcd.clock import Clock
from pcd.messages import clerk
from pcd.sim.trouble import Trouble
from pcd.workflows.facts.reader import FactReader
from pcd.workflows.loader import built_in
from pcd.workflows.performer import Performer
from pcd.workflows.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.messaging import Messaging

    from pcd.workflows.workflow import Workflow

pytestmark = pytest.mark.asyncio
BUSINESS = {
    "name": "Heron Pools",
    "phone": "(813) 555-0100",
    "review_link": "https://example.com/review",
    "payment_link": "https://example.com/pay",
}
ESTIMATE = {"customer_id": 1, "status": "Open", "total": 2500, "name": "a heat pump"}


def shipped(start: str) -> Workflow:
    """Return the workflow that pcd brings along whose name begins so."""
    found = [read() for _, read in built_in()]
    return next(replace(one, is_enabled=True) for one in found if one.name.startswith(start))


async def at_work(desk: Messaging, workflow: Workflow) -> Work:
    """Return an engine that runs *workflow* with the real actions."""
    work, clock = await working(desk.db, workflow), Clock()
    performer = Performer(
        store=work.store,
        versions=Shelf([workflow]),
        actions=desk.actions(),
        reader=FactReader(desk.db, business=BUSINESS, zone=NEW_YORK, clock=clock),
        zone=NEW_YORK,
        clock=clock,
    )
    work.runner = Runner(work.store, performer, check_interval=timedelta(seconds=1), clock=clock)
    return work


async def sent(desk: Messaging, count: int) -> None:
    """Return once so many messages are recorded as sent."""

    async def enough() -> bool:
        return (await desk.statuses()).count("sent") >= count

    await desk.until(enough)


async def test_four_texts_follow_an_estimate_and_no_more(desk: Messaging) -> None:
    await desk.customer()
    await desk.db.execute(*upsert("estimates", 20, **ESTIMATE))
    work = await at_work(desk, shipped("Estimate Follow-Up"))
    id_ = await work.begin(customer_id=1, entity_id=20)
    async with work.running():
        for number in range(1, 5):
            await work.pass_time(id_)
            await work.recorded(id_, count=number)
            await sent(desk, number)
            desk.clock.at += timedelta(days=2)
        await work.until("completed")
    texts = desk.texts()
    assert len(set(texts)) == 4
    assert "your estimate of $2,500.00" in texts[0]
    assert all("{" not in said and "None" not in said for said in texts)
    assert (await work.instance(id_))["message_count"] == 4


async def test_estimate_sold_between_two_texts_ends_them(desk: Messaging) -> None:
    await desk.customer()
    await desk.db.execute(*upsert("estimates", 20, **ESTIMATE))
    work = await at_work(desk, shipped("Estimate Follow-Up"))
    id_ = await work.begin(customer_id=1, entity_id=20)
    async with work.running():
        await work.pass_time(id_)
        await sent(desk, 1)
        await work.recorded(id_)
        await desk.db.execute(*upsert("estimates", 20, **{**ESTIMATE, "status": "Sold"}))
        desk.clock.at += timedelta(days=2)
        await work.pass_time(id_)
        await work.until("stopped")
    assert len(desk.texts()) == 1
    assert (await work.instance(id_))["stopped_reason"] == "goal_achieved"


async def test_estimate_sold_while_the_contact_is_being_read_ends_them_too(desk: Messaging) -> None:
    contact_id = await desk.customer()
    await desk.db.execute(*upsert("estimates", 20, **ESTIMATE))
    desk.sim.troubles.plan(Trouble.SLOW_ANSWER, method="GET", path=contact_id, seconds=0.5)
    work = await at_work(desk, shipped("Estimate Follow-Up"))
    id_ = await work.begin(customer_id=1, entity_id=20)
    async with work.running():
        await work.pass_time(id_)
        with anyio.fail_after(10):
            while not desk.sim.calls.to(f"/contacts/{contact_id}"):  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)
        await desk.db.execute(*upsert("estimates", 20, **{**ESTIMATE, "status": "Sold"}))
        await work.until("stopped")
    assert desk.texts() == []
    assert (await work.instance(id_))["stopped_reason"] == "goal_achieved"


async def test_review_is_asked_for_twice_at_most(desk: Messaging) -> None:
    await desk.customer()
    await desk.db.execute(*upsert("jobs", 30, customer_id=1, job_number="30", job_status="Completed"))
    work = await at_work(desk, shipped("Post-Service Review"))
    id_ = await work.begin(customer_id=1, entity_id=30, entity_type="job", event_type="job_completed")
    async with work.running():
        for number in (1, 2):
            await work.pass_time(id_)
            await sent(desk, number)
            await work.recorded(id_, count=number)
            desk.clock.at += timedelta(days=3)
        await work.until("completed")
    assert ["https://example.com/review" in said for said in desk.texts()] == [True, True]


async def test_opted_out_customer_ends_the_workflow_with_its_reason(desk: Messaging) -> None:
    await desk.customer()
    await desk.prefer(sms_opted_out=True)
    await desk.db.execute(*upsert("estimates", 20, **ESTIMATE))
    work = await at_work(desk, shipped("Estimate Follow-Up"))
    id_ = await work.begin(customer_id=1, entity_id=20)
    async with work.running():
        await work.pass_time(id_)
        await work.until("stopped")
    assert (desk.texts(), (await work.instance(id_))["stopped_reason"]) == ([], "opted_out")


@pytest.mark.parametrize(
    ("decide", "texts"), [(clerk.release, 2), (clerk.drop, 1)], ids=["released", "dropped"]
)
async def test_parked_message_waits_for_a_person_and_the_workflow_goes_on(
    desk: Messaging, decide: Callable[..., Awaitable[object]], texts: int
) -> None:
    await desk.customer()
    await desk.db.execute(*upsert("jobs", 30, customer_id=1, job_number="30", job_status="Completed"))
    desk.sim.troubles.plan(Trouble.RESET_AFTER, path="/conversations/messages")
    work = await at_work(desk, shipped("Post-Service Review"))
    id_ = await work.begin(customer_id=1, entity_id=30, entity_type="job", event_type="job_completed")
    async with work.running():
        await work.pass_time(id_)
        await work.until("failed")
        assert len(desk.texts()) == 1
        (row,) = await desk.log()
        assert (row["status"], str(row["id"])[:8] in (await work.instance(id_))["stopped_reason"]) == (
            "parked",
            True,
        )
        await decide(desk.db, str(row["id"]), by="somebody")
        await work.steward.retry(str(id_))
        work.runner.wake()
        await work.recorded(id_, count=2)
        assert (await work.instance(id_))["status"] == "active"
    assert len(desk.texts()) == texts
