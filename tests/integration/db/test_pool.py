from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from pcd.db.errors import refuses_data
from pcd.db.pool import Database
from pcd.errors import ConfigError, DataRejected, StoreError, StoreUnreachable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio


async def test_a_statement_sees_utc(db: Database) -> None:
    assert (await db.fetchval("SELECT now()")).tzinfo == UTC
    assert await db.fetchval("SHOW timezone") == "UTC"


async def test_a_transaction_is_kept_at_the_end_and_undone_by_an_exception(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute("INSERT INTO pcd.pauses (name) VALUES ('kept')")
    with pytest.raises(LookupError):
        await pause_and_fail(db)
    assert [row["name"] for row in await db.fetch("SELECT name FROM pcd.pauses")] == ["kept"]


async def pause_and_fail(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute("INSERT INTO pcd.pauses (name) VALUES ('undone')")
        raise LookupError


async def test_a_cancelled_transaction_gives_back_a_clean_connection(db: Database) -> None:
    """Plain asyncpg left the connection busy, inside the transaction, in nearly every such cancellation."""
    for _ in range(20):
        with anyio.move_on_after(0.01):
            async with db.transaction() as connection:
                await connection.execute("INSERT INTO pcd.pauses (name) VALUES ('never')")
                await connection.execute("SELECT pg_sleep(10)")
    assert await db.fetchval("SELECT count(*) FROM pcd.pauses") == 0
    busy = await db.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' "
        "AND pid <> pg_backend_pid()"
    )
    assert busy == 0


async def test_a_transaction_that_takes_too_long_is_a_store_error(db: Database) -> None:
    async def dawdle() -> None:
        async with db.transaction(timeout=timedelta(seconds=0.05)) as connection:
            await connection.execute("SELECT pg_sleep(10)")

    with pytest.raises(StoreError, match=r"longer than 0\.05 s"):
        await dawdle()


async def test_a_timeout_of_the_caller_stays_a_timeout(db: Database) -> None:
    async def hurry() -> None:
        async with db.transaction() as connection:
            with anyio.fail_after(0.05):
                await connection.execute("SELECT pg_sleep(10)")

    with pytest.raises(TimeoutError):
        await hurry()


async def test_a_longer_timeout_reaches_the_server_and_does_not_stay(db: Database) -> None:
    long = timedelta(seconds=90)
    async with db.transaction(timeout=long) as connection:
        assert await connection.fetchval("SHOW statement_timeout") == "90s"
    assert await db.fetchval("SHOW statement_timeout", timeout=long) == "90s"
    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(db.execute, "SELECT pg_sleep(0.01)")
    assert await db.fetchval("SHOW statement_timeout") == "30s"


@pytest.mark.parametrize(
    "sql",
    [
        r"""SELECT '{"a": "\u0000"}'::jsonb""",
        "SELECT 'x'::bigint",
        "INSERT INTO pcd.pauses (name) VALUES (NULL)",
        "INSERT INTO pcd.surprises (resource, kind, name) VALUES ('r', 'none of these', 'n')",
        "SELECT (repeat('[', 100000) || repeat(']', 100000))::jsonb",
    ],
    ids=["nul", "text for a number", "null", "check", "nested too deeply"],
)
async def test_a_refused_value_is_data_rejected(db: Database, sql: str) -> None:
    with pytest.raises(DataRejected):
        await db.execute(sql)


async def test_a_value_that_the_driver_cannot_encode_is_data_rejected(db: Database) -> None:
    with pytest.raises(DataRejected):
        await db.fetchval("SELECT $1::bigint", "not a number")


async def test_a_refused_value_can_be_told_apart_inside_a_savepoint(db: Database) -> None:
    async with db.transaction() as connection:
        with pytest.raises(asyncpg.DataError) as caught:
            async with connection.transaction():
                await connection.execute("SELECT 'x'::bigint")
        assert refuses_data(caught.value)
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_rejection_does_not_quote_the_row(db: Database) -> None:
    await db.execute("INSERT INTO pcd.pauses (name) VALUES ('somebody@example.org')")
    with pytest.raises(DataRejected) as caught:
        await db.execute("INSERT INTO pcd.pauses (name) VALUES ('somebody@example.org')")
    assert "somebody" not in str(caught.value)


async def test_a_bug_stays_visible(db: Database) -> None:
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await db.execute("SELEC 1")


async def test_a_missing_table_points_to_the_migration(db: Database) -> None:
    with pytest.raises(StoreError, match="pcd db migrate"):
        await db.execute("SELECT FROM pcd.no_such_table")


async def test_a_killed_backend_is_unreachable_once_and_then_replaced(db: Database) -> None:
    with pytest.raises(StoreUnreachable):
        await db.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await db.fetchval("SELECT 1") == 1


async def test_an_unreachable_server_is_waited_for_with_one_sentence(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(StoreUnreachable):
        await Database.connect(
            f"postgresql://pcd@/pcd?host={tmp_path}", on_wait=told.append, wait=timedelta(seconds=0.5)
        )
    assert len(told) == 1
    assert told[0].startswith("waiting for the database: PostgreSQL does not answer")


async def test_a_database_that_does_not_exist_is_a_configuration_error(database_url: str) -> None:
    with pytest.raises(ConfigError, match=r"database\.url"):
        await Database.connect(f"{database_url}".replace("pcd_test", "no_such"))


@pytest.mark.parametrize(
    ("sql", "value", "left"),
    [
        ("SELECT $1::text::bigint", "(555) 010-0199", 'invalid input syntax for type bigint: "..."'),
        ("SELECT $1::text::date", "ann@example.com", 'invalid input syntax for type date: "..."'),
        ("SELECT $1::text::int", "5550100199", 'value "..." is out of range for type integer'),
        ("SELECT $1::text::timestamptz", "5550100199-01-01", "out of range"),
        ("SELECT $1::int", "ann@example.com", "invalid input for query argument $1 ("),
        ("SELECT $1::text::jsonb", '{"email": "ann@example.com', "invalid input syntax for type json"),
        ("SELECT $1::text::uuid", 'a"nn@example.com" or so', 'invalid input syntax for type uuid: "..."'),
    ],
)
async def test_refused_value_is_not_repeated(db: Database, sql: str, value: str, left: str) -> None:
    """It may be a customer's, and the message goes into the log."""
    with pytest.raises(DataRejected) as refused:
        await db.fetchval(sql, value)
    assert left in str(refused.value)
    assert value not in str(refused.value)
