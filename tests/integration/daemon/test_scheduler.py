"""The scheduler on a real database, with a cron line that fires every second."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import anyio
import pytest

from pcd.clock import Clock
from pcd.errors import Unavailable
from pcd.schedule.due import Schedule
from pcd.schedule.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pcd.db.pool import Database
    from pcd.schedule.scheduler import Job

pytestmark = pytest.mark.asyncio

EVERY_SECOND = Schedule(name="often", cron="* * * * * *", key="test")
NIGHTLY = Schedule(name="nightly", cron="0 2 * * *", key="test")
AT_FIRST = Schedule(name="eager", cron="0 2 * * *", key="test", at_first=True)
ZONE = ZoneInfo("America/New_York")


class Jobs:
    """Counts its runs; each ends when *go* is set."""

    def __init__(self, *, outcome: str = "completed") -> None:
        self.runs = 0
        self.together = 0
        self.ran = anyio.Event()
        self.go = anyio.Event()
        self.outcome = outcome

    async def run(self) -> str:
        self.runs += 1
        self.together += 1
        self.ran.set()
        try:
            await self.go.wait()
        finally:
            self.together -= 1
        if self.outcome == "error":
            raise Unavailable("ServiceTitan is away", service="ServiceTitan")
        return self.outcome


@asynccontextmanager
async def running(db: Database, schedule: Schedule, job: Job, **more: Job) -> AsyncIterator[None]:
    jobs = {schedule: job} | {replace(schedule, name=name): other for name, other in more.items()}
    scheduler = Scheduler(db, jobs=jobs, zone=ZONE, clock=Clock(), jitter=lambda: 0.0)
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: scheduler.run(task_status=task_status))
        yield
        group.cancel_scope.cancel()


async def _outcome(db: Database, name: str, *, other_than: tuple[str | None, ...] = (None, "started")) -> str:
    while True:
        outcome = await db.fetchval("SELECT last_outcome FROM pcd.schedule WHERE name = $1", name)
        if outcome not in other_than:
            return str(outcome)
        await anyio.sleep(0.01)


async def _registered(db: Database, name: str) -> None:
    while not await db.fetch("SELECT FROM pcd.schedule WHERE name = $1", name):  # noqa: ASYNC110 - in a database
        await anyio.sleep(0.01)


async def _remember(db: Database, schedule: Schedule, *, fired_at: datetime, outcome: str) -> None:
    await db.execute(
        "INSERT INTO pcd.schedule (name, last_due_at, last_outcome) VALUES ($1, $2, $3)",
        schedule.name,
        fired_at,
        outcome,
    )


async def test_schedule_fires_and_remembers_its_outcome(db: Database) -> None:
    jobs = Jobs()
    jobs.go.set()
    async with running(db, EVERY_SECOND, jobs.run):
        assert await _outcome(db, "often") == "completed"


async def test_schedule_that_is_due_at_first_does_not_wait(db: Database) -> None:
    jobs = Jobs()
    async with running(db, AT_FIRST, jobs.run):
        await jobs.ran.wait()


async def test_job_that_takes_long_is_never_run_twice_at_once(db: Database) -> None:
    long, short = Jobs(), Jobs()
    short.go.set()
    async with running(db, EVERY_SECOND, long.run, beside=short.run):
        await long.ran.wait()
        for _ in range(2):
            short.ran = anyio.Event()
            await short.ran.wait()
        assert (long.runs, long.together) == (1, 1)


async def test_what_was_missed_during_downtime_is_done_once(db: Database) -> None:
    await _remember(db, NIGHTLY, fired_at=datetime.now(UTC) - timedelta(days=4), outcome="completed")
    jobs = Jobs()
    jobs.go.set()
    async with running(db, NIGHTLY, jobs.run):
        await jobs.ran.wait()
        await _outcome(db, "nightly")
    async with running(db, NIGHTLY, jobs.run):
        await anyio.wait_all_tasks_blocked()
    assert jobs.runs == 1


async def test_new_nightly_job_waits_for_its_night_even_over_a_restart(db: Database) -> None:
    jobs = Jobs()
    async with running(db, NIGHTLY, jobs.run):
        await _registered(db, "nightly")
    async with running(db, NIGHTLY, jobs.run):
        await anyio.wait_all_tasks_blocked()
    assert jobs.runs == 0


async def test_firing_by_a_clock_that_was_hours_fast_delays_nothing(db: Database) -> None:
    """Another daemon fired last, with a wrong clock: its instant lies ahead of us, and is put right."""
    jobs = Jobs()
    jobs.go.set()
    fired_at = datetime.now(UTC) + timedelta(hours=7)
    await _remember(db, EVERY_SECOND, fired_at=fired_at, outcome="completed")
    await _remember(db, NIGHTLY, fired_at=fired_at + timedelta(days=1), outcome="completed")
    async with running(db, EVERY_SECOND, jobs.run), running(db, NIGHTLY, jobs.run):
        with anyio.fail_after(10):
            await jobs.ran.wait()
            while await _fires_ahead(db):  # noqa: ASYNC110 - in a database
                await anyio.sleep(0.01)


async def _fires_ahead(db: Database) -> bool:
    return bool(await db.fetchval("SELECT count(*) FROM pcd.schedule WHERE last_due_at > now()"))


async def test_interrupted_job_is_run_again_but_not_for_ever(db: Database) -> None:
    await _remember(db, NIGHTLY, fired_at=datetime.now(UTC), outcome="started")
    jobs = Jobs()
    async with running(db, NIGHTLY, jobs.run):
        await jobs.ran.wait()
    assert await _outcome(db, "nightly") == "restarted"
    async with running(db, NIGHTLY, jobs.run):
        await anyio.wait_all_tasks_blocked()
    assert jobs.runs == 1


async def test_failing_job_is_told_and_comes_again(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    jobs = Jobs(outcome="error")
    jobs.go.set()
    async with running(db, EVERY_SECOND, jobs.run):
        assert await _outcome(db, "often") == "failed: ServiceTitan is away"
        jobs.outcome = "completed"
        before = ("started", "failed: ServiceTitan is away")
        assert await _outcome(db, "often", other_than=before) == "completed"
    assert "schedule: often failed: ServiceTitan is away" in caplog.messages
