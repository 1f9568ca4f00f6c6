"""Every kind of writer: its statements succeed, and their changes are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from support.jobs import INSERT, seen, taken, writer

from pcd.changes import armer
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

MANY = """INSERT INTO servicetitan.st_jobs (st_id, tenant_id, job_status, full_data)
SELECT i, 1, 'Scheduled', '{}' FROM generate_series(1, $1) AS i"""


async def test_insert_update_and_delete_are_seen(watched: Database) -> None:
    await watched.execute(INSERT, 1, "Scheduled")
    assert await seen(watched) == [(1, "I", None, "Scheduled")]
    await watched.execute("UPDATE servicetitan.st_jobs SET job_status = 'Hold'")
    assert await seen(watched) == [(1, "U", "Scheduled", "Hold")]
    await watched.execute("DELETE FROM servicetitan.st_jobs")
    assert await seen(watched) == [(1, "D", "Hold", None)]


async def test_both_halves_of_an_upsert_are_seen(watched: Database) -> None:
    await watched.execute(INSERT, 1, "Scheduled")
    await seen(watched)
    await watched.execute(
        MANY + " ON CONFLICT (st_id) DO UPDATE SET job_status = 'Hold'",
        2,
    )
    assert sorted(await seen(watched)) == [(1, "U", "Scheduled", "Hold"), (2, "I", None, "Scheduled")]


async def test_merge_is_seen(watched: Database) -> None:
    await watched.execute(MANY, 2)
    await seen(watched)
    await watched.execute("""
        MERGE INTO servicetitan.st_jobs AS t USING (VALUES (1), (2), (3)) AS s (id) ON t.st_id = s.id
        WHEN MATCHED AND s.id = 1 THEN DELETE
        WHEN MATCHED THEN UPDATE SET job_status = 'Hold'
        WHEN NOT MATCHED THEN INSERT (st_id, tenant_id, job_status, full_data) VALUES (s.id, 1, 'Hold', '{}')
    """)
    assert sorted(await seen(watched)) == [
        (1, "D", "Scheduled", None),
        (2, "U", "Scheduled", "Hold"),
        (3, "I", None, "Hold"),
    ]


async def test_copy_is_seen(watched: Database) -> None:
    async with watched.transaction() as connection:
        await connection.copy_records_to_table(
            "st_jobs",
            schema_name="servicetitan",
            columns=["st_id", "tenant_id", "job_status", "full_data"],
            records=[(1, 1, "Scheduled", "{}"), (2, 1, "Hold", "{}")],
        )
    assert await seen(watched) == [(1, "I", None, "Scheduled"), (2, "I", None, "Hold")]


async def test_a_row_that_changes_its_key_is_gone_and_another_is_there(watched: Database) -> None:
    await watched.execute(INSERT, 1, "Scheduled")
    await seen(watched)
    await watched.execute("UPDATE servicetitan.st_jobs SET st_id = 2")
    assert sorted(await seen(watched)) == [(1, "D", "Scheduled", None), (2, "I", None, "Scheduled")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE servicetitan.st_jobs SET summary = 'nobody tracks it', full_data = '{\"a\": 1}'",
        "UPDATE servicetitan.st_jobs SET job_status = job_status",
        "UPDATE servicetitan.st_jobs SET job_status = 'Hold' WHERE false",
        "DELETE FROM servicetitan.st_jobs WHERE false",
        MANY.replace("$1", "1") + " ON CONFLICT DO NOTHING",
        MANY.replace("$1", "1") + " ON CONFLICT (st_id) DO UPDATE SET job_status = 'Hold' WHERE false",
    ],
)
async def test_a_statement_that_changes_nothing_tracked_says_nothing(
    watched: Database, statement: str
) -> None:
    """Not even an empty transaction: a row lock would cost the writer an fsync."""
    await watched.execute(INSERT, 1, "Scheduled")
    await seen(watched)
    await watched.execute(statement)
    assert await watched.fetchval("SELECT count(*) FROM pcd.outbox") == 0


async def test_what_is_rolled_back_is_not_seen(watched: Database) -> None:
    async with watched.transaction() as connection:
        await connection.execute(INSERT, 1, "Scheduled")
        savepoint = connection.transaction()
        await savepoint.start()
        await connection.execute("UPDATE servicetitan.st_jobs SET job_status = 'Hold'")
        await savepoint.rollback()
    assert await seen(watched) == [(1, "I", None, "Scheduled")]


async def test_a_reload_with_the_same_rows_is_no_change(watched: Database) -> None:
    await watched.execute(MANY, 100)
    await seen(watched)
    async with watched.transaction() as connection:
        await connection.execute("TRUNCATE servicetitan.st_jobs")
        await connection.execute(MANY, 100)
    assert await seen(watched) == []


async def test_a_reload_in_two_transactions_tells_only_what_differs(watched: Database) -> None:
    await watched.execute(MANY, 3)
    await seen(watched)
    await watched.execute("TRUNCATE servicetitan.st_jobs")
    await watched.execute(MANY, 4)
    await watched.execute("UPDATE servicetitan.st_jobs SET job_status = 'Hold' WHERE st_id = 3")
    news = [it for it in await seen(watched) if it[1] != "D" and it[2] != it[3]]
    assert news == [(4, "I", None, "Scheduled"), (3, "U", "Scheduled", "Hold")]


async def test_a_writer_needs_no_right_but_to_the_table(watched: Database) -> None:
    """No right to anything of ours; a search_path, a time zone and JSON functions of its own."""
    async with writer(watched, "INSERT", "UPDATE", "SELECT") as foreign:
        await watched.execute("CREATE SCHEMA theirs")
        await watched.execute("GRANT USAGE ON SCHEMA theirs TO public")
        for trap in ("row_to_json(record) RETURNS json", "pg_notify(text, text) RETURNS void"):
            await watched.execute(f"CREATE FUNCTION theirs.{trap} LANGUAGE plpgsql AS 'BEGIN RAISE; END'")
        await foreign.execute("SET search_path = theirs, pg_catalog")
        await foreign.execute("SET timezone = 'Asia/Kathmandu'")
        await foreign.execute(INSERT, 1, "Scheduled")
        await foreign.execute(
            "UPDATE servicetitan.st_jobs SET job_completion_time = '2026-03-02 12:00:00+05:45'"
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await foreign.execute("SELECT FROM pcd.outbox")
    changes = await taken(watched)
    assert [change.op for change in changes] == ["I", "U"]
    assert (changes[1].after or {})["job_completion_time"] == "2026-03-02T06:15:00+00:00"


async def test_a_writer_may_have_no_right_but_to_empty_the_table(watched: Database) -> None:
    await watched.execute(MANY, 2)
    await seen(watched)
    async with writer(watched, "TRUNCATE") as foreign:
        await foreign.execute("TRUNCATE servicetitan.st_jobs")
    assert sorted(await seen(watched)) == [(1, "D", "Scheduled", None), (2, "D", "Scheduled", None)]


@pytest.mark.parametrize(
    "alteration",
    [
        "DROP COLUMN technician_name",
        "RENAME COLUMN technician_name TO crew",
        "ALTER COLUMN technician_id TYPE text",
        "ALTER COLUMN technician_name TYPE point USING NULL",
        "ALTER COLUMN technician_name TYPE json USING '{\"a\": 1}'",
        "ADD COLUMN extra text NOT NULL DEFAULT 'x'",
        "ADD COLUMN tracked text, ADD COLUMN absent text, ADD COLUMN op text",
    ],
)
async def test_a_table_that_somebody_alters_stays_writable(watched: Database, alteration: str) -> None:
    """At once, in sessions whose plans are older, and after our next start."""
    async with watched.session() as old:
        await old.execute(INSERT, 1, "Scheduled")
        await old.execute("UPDATE servicetitan.st_jobs SET job_status = 'Hold'")
        await watched.execute(f"ALTER TABLE servicetitan.st_jobs {alteration}")
        await seen(watched)
        for _ in range(2):
            await old.execute("UPDATE servicetitan.st_jobs SET job_status = 'Done'")
            await old.execute(INSERT, 2, "Scheduled")
            await old.execute("DELETE FROM servicetitan.st_jobs WHERE st_id = 2")
            await old.execute(INSERT, 2, "Scheduled")
            await old.execute("TRUNCATE servicetitan.st_jobs")
            assert {(1, "D"), (2, "D")} <= {it[:2] for it in await seen(watched)}
            await armer.repair(watched, RESOURCES.values())
            await old.execute(INSERT, 1, "Hold")


async def test_a_value_that_no_jsonb_can_hold_does_not_stop_anybody(watched: Database) -> None:
    await watched.execute(
        "ALTER TABLE servicetitan.st_jobs ALTER COLUMN technician_name TYPE json USING NULL"
    )
    assert await armer.repair(watched, RESOURCES.values()) == ("jobs",)
    await watched.execute(INSERT, 1, "Scheduled")
    await watched.execute('UPDATE servicetitan.st_jobs SET technician_name = \'{"a": "\\u0000"}\'')
    changes = await taken(watched)
    assert (changes[-1].after or {})["technician_name"] == '{"a": "\\u0000"}'


async def test_a_huge_statement_ends_though_the_plan_was_made_for_one_row(watched: Database) -> None:
    """A nested loop over the two transition tables would compare 400 million pairs."""
    async with watched.session() as connection:
        await connection.execute("SET statement_timeout = '10s'")
        await connection.execute(MANY, 1)
        await connection.execute("UPDATE servicetitan.st_jobs SET job_status = 'Hold'")
        await connection.execute(MANY + " ON CONFLICT DO NOTHING", 20_000)
        await connection.execute("UPDATE servicetitan.st_jobs SET job_status = 'Done'")
    assert await watched.fetchval("SELECT count(*) FROM pcd.outbox WHERE op = 'U'") == 20_001


async def test_nobody_can_hang_our_function_on_a_table_of_his_own(watched: Database) -> None:
    """It would write into the outbox with our rights."""
    async with writer(watched, "INSERT") as foreign:
        await foreign.execute("CREATE TEMPORARY TABLE mine (st_id bigint)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await foreign.execute(
                "CREATE TRIGGER forged BEFORE TRUNCATE ON mine EXECUTE FUNCTION pcd.capture_jobs()"
            )
