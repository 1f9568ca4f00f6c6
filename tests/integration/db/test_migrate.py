from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
import pytest_asyncio

from pcd.db.migrate import migrate, migrations, status
from pcd.db.pool import Database
from pcd.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.asyncio

PROMISED = {
    "servicetitan": "st_customers st_jobs st_estimates st_appointments st_invoices st_technicians "
    "st_employees st_business_units st_job_types st_tag_types st_custom_fields st_campaigns st_call_reasons "
    "st_locations st_payments st_installed_equipment st_sync_log job_technicians",
    "integrations": "ghl_contacts ghl_opportunities ghl_sync_log callrail_calls callrail_conversion_log",
    "automation": "workflow_definitions workflow_instances workflow_step_executions messaging_templates "
    "messaging_log",
    "public": "customer_communication_preferences sync_state",
}


@pytest_asyncio.fixture
async def empty(empty_database_url: str) -> AsyncGenerator[Database]:
    """Yield an empty database of the test's own."""
    database = await Database.connect(empty_database_url, pool_size=4, wait=timedelta(seconds=10))
    yield database
    await database.close()


async def test_every_promised_table_exists(db: Database) -> None:
    names = [f"{schema}.{table}" for schema, tables in PROMISED.items() for table in tables.split()]
    missing = await db.fetch(
        "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL", names
    )
    assert missing == []


async def test_an_empty_database_is_migrated_once(empty: Database) -> None:
    assert all(each.applied_at is None for each in await status(empty))
    assert await migrate(empty) > 0
    assert all(each.applied_at is not None for each in await status(empty))
    assert await migrate(empty) == 0


async def test_an_edited_migration_is_refused(db: Database) -> None:
    await db.execute("UPDATE pcd.migrations SET checksum = 'other' WHERE number = 1")
    with pytest.raises(ConfigError, match=r"migration 0001 \(internal\) was edited"):
        await migrate(db)


async def test_a_database_of_a_newer_version_is_refused(db: Database) -> None:
    await db.execute("INSERT INTO pcd.migrations (number, name, checksum) VALUES (9999, 'later', 'x')")
    with pytest.raises(ConfigError, match=r"newer pcd \(migration 9999, later\)"):
        await migrate(db)


async def test_migrations_at_the_same_time_take_turns(empty: Database) -> None:
    steps: list[int] = []

    async def run() -> None:
        steps.append(await migrate(empty))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(run)
    first, *others = sorted(steps, reverse=True)
    assert first > 0
    assert others == [0, 0]


async def test_a_migration_that_waits_too_long_says_for_whom(db: Database) -> None:
    async with db.session() as other:
        key = int.from_bytes(b"pcd.mig", "big")
        await other.execute("SELECT pg_advisory_lock($1)", key)
        with pytest.raises(StoreError, match=r"another migration has been running .* pcd at .*, backend \d+"):
            await migrate(db, wait=timedelta(0))


async def test_a_busy_table_is_tried_again(db: Database) -> None:
    """The step gives way, so that writers behind it in the queue are not held up for long."""
    await db.execute("ALTER TABLE servicetitan.st_jobs DROP COLUMN pcd_as_of")
    finished = anyio.Event()

    async def run() -> None:
        assert await migrate(db) > 0
        finished.set()

    async with anyio.create_task_group() as group, db.transaction() as reader:
        await reader.execute("SELECT count(*) FROM servicetitan.st_jobs")
        group.start_soon(run)
        gave_way = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        before = await db.fetchval(gave_way)
        with anyio.fail_after(20):
            while await db.fetchval(gave_way) == before:  # noqa: ASYNC110 - the server counts
                await anyio.sleep(0.1)
        assert not finished.is_set()
    assert finished.is_set()


async def test_a_failing_migration_leaves_nothing_half_done(empty: Database) -> None:
    await empty.execute("CREATE SCHEMA pcd")
    await empty.execute("CREATE TABLE pcd.pauses (stands_in_the_way integer)")
    with pytest.raises(Exception, match="already exists"):
        await migrate(empty)
    assert await empty.fetchval("SELECT to_regclass('pcd.leases')") is None
    await empty.execute("DROP TABLE pcd.pauses")
    assert await migrate(empty) > 0


async def test_migrations_are_numbered_without_gaps() -> None:
    assert [each.number for each in migrations()] == list(range(1, len(migrations()) + 1))
