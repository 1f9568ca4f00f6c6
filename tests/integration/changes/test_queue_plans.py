"""The queries of the hot path keep to their indexes, however large the tables grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pcd.db import queries

if TYPE_CHECKING:
    from pcd.db.pool import Connection, Database

pytestmark = pytest.mark.asyncio

SQL = queries.load("pcd.changes")
FILL = """INSERT INTO pcd.outbox (resource, st_id, op, after)
SELECT 'jobs', i, 'I', '{"job_status": "Scheduled"}' FROM generate_series(1, 20000) AS i"""


async def plan(connection: Connection, name: str, *args: object) -> str:
    """Return the plan of a named query as it is made for any argument."""
    await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE asked AS {SQL[name]}")
    rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE asked ({', '.join(map(str, args))})")
    return "\n".join(row[0] for row in rows)


async def test_a_batch_is_found_by_index_and_removed_by_place(db: Database) -> None:
    await db.execute(FILL)
    await db.execute("ANALYZE pcd.outbox")
    async with db.transaction() as connection:
        text = await plan(connection, "take", 5000)
    assert "Index Scan using outbox_pkey on outbox" in text
    assert "Tid Scan on outbox" in text
    assert "Seq Scan on outbox" not in text


async def test_the_batch_behind_many_dead_rows_is_found_as_fast(db: Database) -> None:
    """What was consumed stays in the file until a vacuum."""
    await db.execute("ALTER TABLE pcd.outbox SET (autovacuum_enabled = off)")
    await db.execute(FILL)
    await db.execute("ANALYZE pcd.outbox")
    async with db.session() as connection:
        await connection.execute("SET timezone = 'UTC'")
        while await connection.fetch(SQL["take"], 5000):
            continue
        await db.execute("INSERT INTO pcd.outbox (resource, st_id, op, after) VALUES ('jobs', 1, 'I', '{}')")
        async with connection.transaction():
            rows = await connection.fetch(
                "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) " + SQL["take"].replace("$1", "5000")
            )
    text = "\n".join(row[0] for row in rows)
    assert "Index Scan using outbox_pkey on outbox" in text


@pytest.mark.parametrize(
    ("name", "args", "index"),
    [
        ("departed", ("ARRAY['jobs']", "ARRAY[1]"), "departed_pkey"),
        ("unlog", ("ARRAY[1]",), "_id_idx"),
    ],
)
async def test_single_rows_are_found_by_index(
    db: Database, name: str, args: tuple[str, ...], index: str
) -> None:
    await db.execute(
        "INSERT INTO pcd.departed SELECT 'jobs', i, '{}', now() FROM generate_series(1, 20000) AS i"
    )
    await db.execute(
        "INSERT INTO pcd.change_log (id, resource, st_id, op, xid, changed_at) "
        "SELECT i, 'jobs', i, 'I', '1', now() FROM generate_series(1, 20000) AS i"
    )
    await db.execute("ANALYZE pcd.departed, pcd.change_log")
    async with db.transaction() as connection:
        text = await plan(connection, name, *args)
    assert index in text
    assert "Seq Scan" not in text


@pytest.mark.parametrize("name", list(SQL))
async def test_every_query_fits_the_schema(db: Database, name: str) -> None:
    async with db.transaction() as connection:
        await connection.prepare(SQL[name])
