"""Partitions of a real table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from pcd.db.partitions import Partitioned, Span, keep, keep_now

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
LOG = Partitioned(
    schema="pcd",
    table="change_log",
    column="changed_at",
    span=Span.DAY,
    ahead=3,
    keep=timedelta(days=14),
)
ROW = """INSERT INTO pcd.change_log (id, resource, st_id, op, xid, changed_at)
VALUES ($1, 'jobs', $1, 'I', '1', $2)"""
WHERE = """SELECT log.id, c.relname AS place
FROM pcd.change_log AS log JOIN pg_class AS c ON c.oid = log.tableoid ORDER BY log.id"""


async def test_partitions_are_made_once(db: Database) -> None:
    assert await keep(db, LOG, now=NOW) == 4
    assert await keep(db, LOG, now=NOW) == 0
    assert await keep(db, LOG, now=NOW + timedelta(days=1)) == 1


async def test_rows_find_their_partition_or_the_default_one(db: Database) -> None:
    await keep(db, LOG, now=NOW)
    await db.execute(ROW, 1, NOW)
    await db.execute(ROW, 2, NOW + timedelta(days=30))
    assert [tuple(row) for row in await db.fetch(WHERE)] == [
        (1, "change_log_20260302"),
        (2, "change_log_default"),
    ]


async def test_rows_without_a_partition_move_into_it_when_it_is_made(db: Database) -> None:
    await db.execute(ROW, 1, NOW)
    await keep(db, LOG, now=NOW)
    assert [tuple(row) for row in await db.fetch(WHERE)] == [(1, "change_log_20260302")]


async def test_old_days_go_and_what_is_left_of_them_too(db: Database) -> None:
    await keep(db, LOG, now=NOW)
    await db.execute(ROW, 1, NOW)
    await db.execute(ROW, 2, NOW - timedelta(days=5))
    await keep(db, LOG, now=NOW + timedelta(days=13))
    assert [row["id"] for row in await db.fetch(WHERE)] == [1]
    await keep(db, LOG, now=NOW + timedelta(days=15))
    assert await db.fetch(WHERE) == []


async def test_two_processes_keep_partitions_at_once(db: Database) -> None:
    async def one() -> None:
        await keep(db, LOG, now=NOW)

    async with anyio.create_task_group() as group:
        group.start_soon(one)
        group.start_soon(one)
    assert await keep(db, LOG, now=NOW) == 0


async def test_days_are_those_of_the_database(db: Database) -> None:
    await keep_now(db, LOG)
    now = await db.fetchval("SELECT now()")
    await db.execute(ROW, 1, now)
    assert [tuple(row) for row in await db.fetch(WHERE)] == [(1, f"change_log_{now:%Y%m%d}")]
