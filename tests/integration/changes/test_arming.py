"""When a table begins to be watched, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from support.jobs import INSERT, seen

from pcd.changes import armer
from pcd.changes.capture import TRIGGERS, captures
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

LOADED = """INSERT INTO pcd.cursors (resource, first_load_started_at, first_load_completed_at)
SELECT unnest($1::text[]), now() - interval '1 hour', now()"""
ROW = """INSERT INTO servicetitan.st_jobs
    (st_id, tenant_id, job_status, st_created_on, st_modified_on, full_data)
VALUES ($1, 1, 'Scheduled', now() - make_interval(mins => $2), now() - make_interval(mins => $3), '{}')"""
OURS = """SELECT count(*) FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE p.pronamespace = 'pcd'::regnamespace"""


async def arm(db: Database) -> tuple[str, ...]:
    return await armer.arm(db, RESOURCES.values())


async def test_a_table_is_watched_once_everything_that_fills_it_is_loaded(db: Database) -> None:
    """A job's schedule follows its appointments: while they are loading, jobs change because of the load."""
    assert await arm(db) == ()
    await db.execute(LOADED, ["jobs", "job_types"])
    assert await arm(db) == ("job_types",)
    await db.execute(INSERT, 1, "Scheduled")
    await db.execute(LOADED, ["appointments", "appointment_assignments"])
    assert set(await arm(db)) == {"jobs", "appointments", "appointment_assignments"}
    assert await seen(db) == []
    await db.execute(INSERT, 2, "Scheduled")
    assert await seen(db) == [(2, "I", None, "Scheduled")]
    assert await arm(db) == ()


async def test_a_resource_that_is_not_mirrored_is_not_waited_for(db: Database) -> None:
    await db.execute(LOADED, ["jobs"])
    assert await armer.arm(db, [RESOURCES["jobs"]]) == ("jobs",)


async def test_what_upstream_changed_during_the_load_is_news_when_it_ends(db: Database) -> None:
    """No trigger saw whether it was read before the change or after it."""
    await db.execute(LOADED, ["jobs", "appointments", "appointment_assignments"])
    for row in ((1, 9000, 8000), (2, 9000, 5), (3, 1, 0)):
        await db.execute(ROW, *row)
    await arm(db)
    assert await seen(db) == [(2, "I", None, "Scheduled"), (3, "I", None, "Scheduled")]
    baseline = await db.fetchval("SELECT armed_at - baseline_at FROM pcd.baselines WHERE resource = 'jobs'")
    assert baseline.total_seconds() == pytest.approx(3600, abs=60)


async def test_no_write_falls_between_the_baseline_and_the_triggers(db: Database) -> None:
    """The triggers' lock waits for a writer under way, whose rows are then older than the baseline."""
    await db.execute(LOADED, ["jobs", "appointments", "appointment_assignments"])
    async with db.transaction() as writer:
        await writer.execute(ROW, 1, 1, 0)
        with pytest.raises(TimeoutError):
            await arm_within(db, 0.5)
        assert await db.fetchval("SELECT count(*) FROM pcd.baselines WHERE resource = 'jobs'") == 0
    assert "jobs" in await arm(db)
    assert await seen(db) == [(1, "I", None, "Scheduled")]


async def arm_within(db: Database, seconds: float) -> None:
    with anyio.fail_after(seconds):
        await armer.arm(db, [RESOURCES["jobs"]])


async def test_two_daemons_arm_a_table_once(db: Database) -> None:
    await db.execute(LOADED, list(RESOURCES))
    found: list[str] = []

    async def one() -> None:
        found.extend(await arm(db))

    async with anyio.create_task_group() as group:
        group.start_soon(one)
        group.start_soon(one)
    assert sorted(found) == sorted(each.resource for each in captures(RESOURCES.values()))


async def test_nothing_is_repaired_that_is_right(watched: Database) -> None:
    assert await armer.repair(watched, RESOURCES.values()) == ()


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TRIGGER pcd_capture_update ON servicetitan.st_jobs",
        "ALTER TABLE servicetitan.st_jobs DISABLE TRIGGER ALL",
        "COMMENT ON FUNCTION pcd.capture_jobs() IS 'of another version'",
        "DROP FUNCTION pcd.capture_jobs() CASCADE",
    ],
)
async def test_what_somebody_damaged_is_repaired(
    watched: Database, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    await watched.execute(damage)
    assert await armer.repair(watched, RESOURCES.values()) == ("jobs",)
    assert ("trigger" in caplog.text) == ("COMMENT" not in damage)
    assert await armer.repair(watched, RESOURCES.values()) == ()
    await watched.execute(INSERT, 1, "Scheduled")
    await watched.execute("UPDATE servicetitan.st_jobs SET job_status = 'Hold'")
    assert len(await watched.fetch("SELECT FROM pcd.outbox")) == 2


async def test_a_column_that_becomes_tracked_is_captured_after_the_next_start(watched: Database) -> None:
    jobs = RESOURCES["jobs"]
    tracking = replace(
        jobs,
        columns=tuple(replace(it, tracked=it.tracked or it.name == "summary") for it in jobs.columns),
    )
    assert await armer.repair(watched, [tracking]) == ("jobs",)
    await watched.execute(INSERT, 1, "Scheduled")
    await seen(watched)
    await watched.execute("UPDATE servicetitan.st_jobs SET summary = 'pump is loud'")
    assert await seen(watched) == [(1, "U", "Scheduled", "Scheduled")]


async def test_detach_leaves_nothing_of_ours_on_the_tables(watched: Database) -> None:
    await watched.execute(INSERT, 1, "Scheduled")
    removed = await armer.detach(watched)
    assert {f"servicetitan.st_jobs: {name}" for name in TRIGGERS} <= set(removed.triggers)
    assert {"capture_jobs", "foreign_write"} <= set(removed.functions)
    assert await watched.fetchval(OURS) == 0
    await watched.execute("UPDATE servicetitan.st_jobs SET job_status = 'Hold'")
    assert await watched.fetchval("SELECT job_status FROM servicetitan.st_jobs") == "Hold"


async def test_a_detached_database_stays_so_until_it_is_attached(watched: Database) -> None:
    """What changed meanwhile is not known and is no news; what changes afterwards is."""
    await armer.detach(watched)
    assert await arm(watched) == ()
    assert await armer.repair(watched, RESOURCES.values()) == ()
    await watched.execute(INSERT, 1, "Scheduled")
    await armer.attach(watched)
    assert "jobs" in await arm(watched)
    assert await seen(watched) == []
    await watched.execute(INSERT, 2, "Scheduled")
    assert await seen(watched) == [(2, "I", None, "Scheduled")]


async def test_detaching_twice_removes_nothing_more(watched: Database) -> None:
    await armer.detach(watched)
    assert await armer.detach(watched) == armer.Removed(triggers=(), functions=())
