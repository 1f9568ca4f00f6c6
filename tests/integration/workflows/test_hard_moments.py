"""Something else happens to an instance at the very moment when its step is being taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.detecting import detecting
from support.working import Noting, definition, until_true, working

from pcd.workflows.outcome import Blocked, Done, Fail, Retry

if TYPE_CHECKING:
    from pcd.db.pool import Database
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome

pytestmark = pytest.mark.asyncio

OPEN = {"status": "Open", "total": 1500, "customer_id": 7}
SHORT = timedelta(milliseconds=1)
PAST = datetime(2026, 1, 1, tzinfo=UTC)


def waits_for(event: str, **step: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"wait_for": {"event": event, "within": "2d", "on_timeout": "skip"}, **step}


async def test_step_fails_although_its_event_comes_a_second_time_meanwhile(db: Database) -> None:
    """The second one wakes an instance that has just ended: nothing may be due of it."""

    async def fail(_call: StepCall) -> Outcome:
        await detection.write("estimates", 1, total=3000)
        await detection.events()
        return Fail(error="no credit")

    work = await working(db, definition(waits_for("estimate_updated")), action=Noting(fail))
    async with detecting(db, follower=work.starter) as detection:
        await detection.write("estimates", 1, **OPEN)
        await detection.events()
        async with work.running():
            await until_true(lambda: db.fetchval("SELECT awaited_event FROM automation.workflow_instances"))
            await detection.write("estimates", 1, total=2000)
            await detection.events()
            work.runner.wake()
            await work.until("failed")
    (row,) = await db.fetch("SELECT id, due_at, was_woken FROM automation.workflow_instances")
    assert (row["due_at"], row["was_woken"]) == (None, True)
    assert await work.records(row["id"]) == [(1, "waiting"), (1, "failed")]
    assert len(work.action.calls) == 1


@pytest.mark.parametrize(
    "obstacle",
    [Blocked(reason="quiet hours", until=PAST), Retry(error="engaged", after=timedelta(seconds=1))],
    ids=["blocked", "retried"],
)
async def test_event_that_came_before_the_first_look_is_not_waited_for_again(
    db: Database, obstacle: Outcome
) -> None:
    """After a downtime it is there already; when the step is put off, it must still count."""
    answers = [obstacle, Done()]

    async def next_one(_call: StepCall) -> Outcome:
        return answers.pop(0)

    step = waits_for("estimate_approved", retry={"attempts": 3, "first": "1s", "most": "1s"})
    work = await working(db, definition(step), action=Noting(next_one))
    async with detecting(db, follower=work.starter) as detection:
        await detection.write("estimates", 1, **OPEN)
        await detection.events()
        await detection.write("estimates", 1, status="Sold")
        await detection.events()
    async with work.running():
        with anyio.fail_after(20):
            await work.until("completed")
    (row,) = await db.fetch("SELECT id FROM automation.workflow_instances")
    assert [status for _, status in await work.records(row["id"])][1:] == ["completed"]


async def test_redriven_dead_letter_outlives_a_process_that_dies(db: Database) -> None:
    """A step may be begun a few times whatever its retries: the death need not be its fault."""

    async def fail(_call: StepCall) -> Outcome:
        return Fail(error="no credit")

    work = await working(db, action=Noting(fail))
    id_ = await work.begin()
    async with work.running():
        await work.until("failed")
    await work.steward.retry(str(id_))
    dead = await working(db, holder="dead", lease=SHORT)
    assert len(await dead.store.claim(10)) == 1
    expired = "SELECT lease_until < clock_timestamp() FROM automation.workflow_instances"
    await until_true(lambda: db.fetchval(expired))
    (rescued,) = await dead.rescuer.rescue()
    assert not rescued.is_spent


async def test_reason_of_a_pause_outlives_the_step_that_was_under_way(db: Database) -> None:
    begun, paused = anyio.Event(), anyio.Event()

    async def slow(_call: StepCall) -> Outcome:
        begun.set()
        await paused.wait()
        return Done()

    work = await working(db, definition({}, {}), action=Noting(slow))
    id_ = await work.begin()
    async with work.running():
        await begun.wait()
        await work.steward.pause(str(id_), reason="the customer is on the line")
        paused.set()
        await work.recorded(id_)
    row = await work.instance(id_)
    assert (row["status"], row["paused_by"], row["reason"]) == (
        "paused",
        "command",
        "the customer is on the line",
    )


async def test_reminder_does_not_come_early_because_a_process_died(db: Database) -> None:
    """It died before it had looked when the reminder is due."""
    until = {"until": "appointment.start", "offset": "-24h"}
    workflow = definition({"delay": until}, trigger={"event": "appointment_created"})
    dead = await working(db, workflow, holder="dead", lease=SHORT)
    start = await db.fetchval("SELECT now() + interval '3 days'")
    async with detecting(db, follower=dead.starter) as detection:
        await detection.write("jobs", 3, job_status="Scheduled", customer_id=7)
        await detection.write("appointments", 4, job_id=3, status="Scheduled", start_on=start)
        await detection.events()
    (claimed,) = await dead.store.claim(10)
    alive = await working(db, workflow, holder="alive")
    sql = "SELECT due_at = $1 FROM automation.workflow_instances"
    async with alive.running():
        await until_true(lambda: db.fetchval(sql, start - timedelta(days=1)))
    assert alive.action.calls == []
    assert await alive.records(claimed.instance.id) == [(1, "lost")]
