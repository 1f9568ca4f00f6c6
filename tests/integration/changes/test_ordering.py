"""Transactions that overlap: ids are handed out before they commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest
from support.jobs import INSERT, seen

if TYPE_CHECKING:
    from conftest import Server
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

UPDATE = "UPDATE servicetitan.st_jobs SET job_status = $2 WHERE st_id = $1"


async def test_a_slow_transaction_with_lower_ids_is_not_skipped(watched: Database) -> None:
    """A reader that remembers the last id it saw loses the slow one."""
    async with watched.transaction() as slow:
        await slow.execute(INSERT, 1, "slow")
        await watched.execute(INSERT, 2, "fast")
        assert await seen(watched) == [(2, "I", None, "fast")]
        await slow.execute(INSERT, 3, "slow")
        await watched.execute(INSERT, 4, "fast")
        assert await seen(watched) == [(4, "I", None, "fast")]
    assert await seen(watched) == [(1, "I", None, "slow"), (3, "I", None, "slow")]


async def test_many_overlapping_transactions_are_all_seen_once(watched: Database) -> None:
    """Whatever the order of their commits, and while the consumer keeps reading."""
    found: list[int] = []
    begun, done = anyio.Event(), anyio.Event()

    async def write(first: int) -> None:
        await begun.wait()
        for number in range(10):
            async with watched.transaction() as connection:
                for step in range(3):
                    await connection.execute(INSERT, first + number * 3 + step, "x")
                    await anyio.lowlevel.checkpoint()

    async def consume() -> None:
        begun.set()
        while not done.is_set():
            found.extend(it[0] for it in await seen(watched))

    async with anyio.create_task_group() as readers:
        readers.start_soon(consume)
        async with anyio.create_task_group() as writers:
            for writer in range(4):
                writers.start_soon(write, writer * 100)
        done.set()
    found.extend(it[0] for it in await seen(watched))
    assert sorted(found) == sorted(first * 100 + number for first in range(4) for number in range(30))


async def test_two_writers_of_one_row_are_told_in_the_order_of_their_commits(watched: Database) -> None:
    """The second one's trigger runs after the first one's commit, so its id is the higher."""
    await watched.execute(INSERT, 1, "Scheduled")
    await seen(watched)

    async def second() -> None:
        await watched.execute(UPDATE, 1, "second")

    async with anyio.create_task_group() as group, watched.transaction() as first:
        await first.execute(INSERT, 2, "other")
        await first.execute(UPDATE, 1, "first")
        group.start_soon(second)
        await waiting_for_a_lock(watched)
        await first.execute(UPDATE, 1, "first again")
    assert await seen(watched) == [
        (2, "I", None, "other"),
        (1, "U", "Scheduled", "first again"),
        (1, "U", "first again", "second"),
    ]


async def waiting_for_a_lock(db: Database) -> None:
    """Wait until a backend waits for a lock."""
    query = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    with anyio.fail_after(10):
        while not await db.fetchval(query):
            await anyio.lowlevel.checkpoint()


async def test_a_long_transaction_in_another_database_delays_nothing(
    watched: Database, server: Server
) -> None:
    """A reader that waits for the cluster's oldest transaction would stand still."""
    other = await asyncpg.connect(server.admin)
    try:
        async with other.transaction():
            await other.execute("SELECT pg_current_xact_id()")
            await watched.execute(INSERT, 1, "Scheduled")
            assert await seen(watched) == [(1, "I", None, "Scheduled")]
    finally:
        await other.close()


async def test_a_long_transaction_in_the_same_database_delays_nothing(watched: Database) -> None:
    async with watched.transaction() as forgotten:
        await forgotten.execute("SELECT pg_current_xact_id()")
        await watched.execute(INSERT, 1, "Scheduled")
        assert await seen(watched) == [(1, "I", None, "Scheduled")]


async def test_what_a_consumer_rolls_back_is_there_again(watched: Database) -> None:
    await watched.execute(INSERT, 1, "Scheduled")

    async def fail() -> None:
        async with watched.transaction() as connection:
            await connection.execute("DELETE FROM pcd.outbox")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await seen(watched) == [(1, "I", None, "Scheduled")]
