"""What is called gone after a walk, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from support.mirroring import Mirror, mirrored, small_company

from pcd.clock import Clock
from pcd.sync.reconciler import Reconciler
from pcd.sync.request import Mode, Tally
from pcd.sync.retrier import Retrier
from pcd.sync.workshop import Workshop
from pcd.tables import RESOURCES, derived

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio


async def judged(mirror: Mirror, name: str, *, accept: bool = False) -> Tally:
    """Return what is called gone of resource *name* after a walk that noted what ``pcd.seen`` holds."""
    store = Retrier(mirror.db, clock=Clock())
    writer = await Workshop(store, tenant_id=1000).writer(RESOURCES[name])
    return await Reconciler(store, mirror.st).judge(
        RESOURCES[name],
        writer,
        mirror.lease,
        started_at=datetime.now(UTC) + timedelta(days=1),
        accept=accept,
        origin="test",
    )


async def test_walk_that_a_crash_made_the_database_forget_calls_nothing_gone(db: Database) -> None:
    """PostgreSQL empties an unlogged table then."""
    async with mirrored(db, small_company()) as mirror:
        for _ in range(2):
            await mirror.run(Mode.FULL, "tag_types")
        await db.execute("TRUNCATE pcd.seen")
        assert await judged(mirror, "tag_types", accept=True) == Tally()


async def test_however_many_are_missing_each_is_looked_up_before_it_is_called_gone(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export may say too early that there is no more."""
    monkeypatch.setattr("pcd.sync.reconciler._ASK_AT_MOST", 1)
    async with mirrored(db, small_company()) as mirror:
        for _ in range(2):
            await mirror.run(Mode.FULL, "jobs")
        jobs = mirror.sim.store["jobs"]
        unseen = jobs.ids()[: len(jobs) // 20]
        jobs.delete(unseen[0])
        await db.execute("DELETE FROM pcd.seen WHERE resource = 'jobs' AND st_id = ANY($1)", unseen)
        assert len(unseen) > 1
        assert await judged(mirror, "jobs") == Tally(gone=1)


async def test_who_helps_a_job_helps_on_when_another_s_assignment_is_gone(db: Database) -> None:
    """What is derived then follows the configured roles, as after every page."""
    store = small_company()
    helpers = dict.fromkeys(store["technicians"].ids(), "helper")
    async with mirrored(db, store, technician_roles=helpers) as mirror:
        await mirror.run(Mode.FULL)
        row = await db.fetchrow(
            "SELECT job_id, max(st_assignment_id) AS st_id FROM servicetitan.job_technicians"
            " GROUP BY job_id HAVING count(DISTINCT technician_id) > 1 LIMIT 1"
        )
        assert row is not None
        assignments = mirror.sim.store["appointment_assignments"]
        assignments.surfaces_deletes = False
        assignments.delete(row["st_id"])
        assignments.settle()
        assert (await mirror.run(Mode.FULL, "appointment_assignments")).total.gone == 1
        positions = await db.fetch(
            "SELECT DISTINCT position FROM servicetitan.job_technicians WHERE job_id = $1", row["job_id"]
        )
        assert [each["position"] for each in positions] == ["helper"]


async def test_marking_as_gone_waits_for_who_computes_the_same_rows(db: Database) -> None:
    """Rows first and the lock second would end in a deadlock with every page of assignments."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL, "jobs")
        writer = await Workshop(Retrier(db, clock=Clock()), tenant_id=1000).writer(RESOURCES["jobs"])
        victim = mirror.sim.store["jobs"].ids()[0]

        async def mark() -> None:
            async with db.transaction() as connection:
                await writer.mark_gone(connection, [victim])

        lock = derived.own_lock(RESOURCES["jobs"])
        assert lock is not None
        async with anyio.create_task_group() as group, db.transaction() as other:
            await other.execute(lock)
            group.start_soon(mark)
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            with anyio.fail_after(20):
                while not await db.fetchval(waiting):  # noqa: ASYNC110 - no event tells
                    await anyio.sleep(0.01)
            await other.execute("UPDATE servicetitan.st_jobs SET summary = 'x' WHERE st_id = $1", victim)
        gone = "SELECT st_deleted_at FROM servicetitan.st_jobs WHERE st_id = $1"
        assert await db.fetchval(gone, victim) is not None
