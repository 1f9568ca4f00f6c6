"""Instances start with their event, in its transaction; steps wait for events and do not miss them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.detecting import Detection, detecting
from support.working import Work, definition, until_true, working

from pcd.events.replayer import Request

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

OPEN = {"status": "Open", "total": 1500, "customer_id": 7, "job_id": 3}
WAIT = {"wait_for": {"event": "estimate_approved", "within": "2d", "on_timeout": "skip"}}


async def _only(work: Work) -> dict[str, Any]:
    (row,) = await work.db.fetch("SELECT * FROM automation.workflow_instances")
    return dict(row)


async def _awaits(work: Work, id_: UUID) -> None:
    sql = "SELECT awaited_event FROM automation.workflow_instances WHERE id = $1"
    await until_true(lambda: work.db.fetchval(sql, id_))


async def _is_due(work: Work, id_: UUID, moment: datetime) -> None:
    sql = "SELECT due_at = $2 FROM automation.workflow_instances WHERE id = $1"
    await until_true(lambda: work.db.fetchval(sql, id_, moment))


async def _detect(detection: Detection, work: Work) -> None:
    await detection.events()
    work.runner.wake()


async def test_event_starts_the_workflows_that_it_matches(db: Database) -> None:
    """Once; a second edit of the estimate is no second creation."""
    big = definition(name="big", trigger={"event": "estimate_created", "when": "estimate.total >= 1000"})
    huge = definition(name="huge", trigger={"event": "estimate_created", "when": "estimate.total >= 9000"})
    off = definition(name="off", enabled=False)
    work = await working(db, big, huge, off)
    async with detecting(db, follower=work.starter) as detection:
        await detection.write("estimates", 1, **OPEN)
        await detection.events()
        await detection.write("estimates", 1, total=1600)
        (event,) = await detection.events("estimate_created")
    row = await _only(work)
    assert (row["workflow_name"], row["event_id"], row["entity_id"], row["customer_id"]) == (
        "big",
        event["id"],
        1,
        7,
    )
    assert (row["status"], row["event_type"], row["workflow_version"]) == (
        "active",
        "estimate_created",
        big.version,
    )


async def test_suppressed_event_starts_nothing_until_it_is_released(db: Database) -> None:
    """What is too old must not be told to customers, unless somebody says so."""
    work = await working(db, definition(trigger={"event": "estimate_approved"}))
    async with detecting(db, follower=work.starter) as detection:
        long_ago = await db.fetchval("SELECT now() - interval '90 days'")
        await detection.write("estimates", 1, **OPEN | {"status": "Sold", "sold_on": long_ago})
        (approved,) = await detection.events("estimate_approved")
        assert approved["suppressed_reason"] == "max_age"
        assert await db.fetchval("SELECT count(*) FROM automation.workflow_instances") == 0
        await detection.recorder.replay(Request(entity=("estimate", 1), release=True))
    assert (await _only(work))["event_id"] == approved["id"]


async def test_start_that_postgresql_refuses_disturbs_neither_detection_nor_others(db: Database) -> None:
    work = await working(db, definition(priority=1), definition(name="other"))
    await db.execute("ALTER TABLE automation.workflow_instances ADD CONSTRAINT refused CHECK (priority <> 1)")
    async with detecting(db, follower=work.starter) as detection:
        await detection.write("estimates", 1, **OPEN)
        assert await detection.types() == ["estimate_created"]
    assert (await _only(work))["workflow_name"] == "other"


async def test_step_goes_on_when_its_event_comes(db: Database) -> None:
    """At once, though the timeout is days away."""
    work = await working(db, definition(WAIT))
    async with detecting(db, follower=work.starter) as detection, work.running():
        await detection.write("estimates", 1, **OPEN)
        await _detect(detection, work)
        id_ = (await _only(work))["id"]
        await _awaits(work, id_)
        await detection.write("estimates", 2, **OPEN | {"customer_id": 8})
        await detection.write("estimates", 2, status="Sold")
        await _detect(detection, work)
        assert (await work.instance(id_))["status"] == "active"
        await detection.write("estimates", 1, status="Sold")
        await _detect(detection, work)
        with anyio.fail_after(20):
            await work.until("completed", count=2)
    assert [call.entity_id for call in work.action.calls] == [2, 1]
    assert await work.records(id_) == [(1, "waiting"), (1, "completed")]


async def test_event_that_came_while_the_wait_began_is_found_by_a_second_look(db: Database) -> None:
    """Neither transaction saw the other: nobody woke the instance."""
    work = await working(db, definition(WAIT))
    async with detecting(db, follower=work.starter) as detection, work.running():
        await detection.write("estimates", 1, **OPEN)
        await _detect(detection, work)
        id_ = (await _only(work))["id"]
        await _awaits(work, id_)
    work.starter.learn((), awaited=())
    async with detecting(db, follower=work.starter, watched=False) as detection:
        await detection.write("estimates", 1, status="Sold")
        await detection.events()
    async with work.running():
        with anyio.fail_after(20):
            await work.until("completed")
    assert await work.records(id_) == [(1, "waiting"), (1, "completed")]


@pytest.mark.parametrize(
    ("on_timeout", "status", "calls"),
    [("skip", "completed", 0), ("run", "completed", 1), ("stop", "stopped", 0)],
)
async def test_timeout_of_a_wait_does_what_the_step_says(
    db: Database, on_timeout: str, status: str, calls: int
) -> None:
    wait = {"event": "estimate_approved", "within": "1s", "on_timeout": on_timeout}
    work = await working(db, definition({"wait_for": wait}))
    await work.begin(due_at=await db.fetchval("SELECT now() - interval '2 s'"))
    async with work.running():
        await work.until(status)
    assert len(work.action.calls) == calls


async def test_moment_that_a_fact_holds_is_looked_up_when_it_comes(db: Database) -> None:
    """The appointment was moved meanwhile: the reminder moves with it."""
    until = {"until": "appointment.start", "offset": "-24h"}
    work = await working(
        db,
        definition({"delay": until}, trigger={"event": "appointment_created"}),
        lease=timedelta(seconds=9),
    )
    start = await db.fetchval("SELECT now() + interval '3 days'")
    async with detecting(db, follower=work.starter) as detection, work.running():
        await detection.write("jobs", 3, job_status="Scheduled", customer_id=7)
        await detection.write("appointments", 4, job_id=3, status="Scheduled", start_on=start)
        await _detect(detection, work)
        id_ = (await _only(work))["id"]
        await _is_due(work, id_, start - timedelta(days=1))
        await detection.write("appointments", 4, start_on=start + timedelta(days=1))
        await work.pass_time(id_)
        await _is_due(work, id_, start)
    assert work.action.calls == []
    assert await work.records(id_) == []


async def test_event_that_fulfils_a_wait_is_found_behind_many_that_do_not(db: Database) -> None:
    wait = {"event": "estimate_approved", "within": "2d", "when": "estimate.total >= 1000"}
    work = await working(db, definition({"wait_for": wait}))
    id_ = await work.begin(entity_id=1)
    await db.execute(
        "INSERT INTO automation.events (type, entity_type, entity_id, customer_id, payload, occurred_at) "
        "SELECT 'estimate_approved', 'estimate', 1, 7, "
        "jsonb_build_object('estimate', jsonb_build_object('total', number)), now() "
        "FROM generate_series(800, 1000) AS number"
    )
    async with work.running():
        await work.recorded(id_)
    assert await work.records(id_) == [(1, "completed")]
