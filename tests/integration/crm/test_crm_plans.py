"""The queries between an event and its call keep to their indexes, however large the tables grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pcd.crm.works import SESSION
from pcd.db import queries

if TYPE_CHECKING:
    from pcd.db.pool import Connection, Database

pytestmark = pytest.mark.asyncio

SQL = queries.load("pcd.crm")
FILL = """
INSERT INTO pcd.crm_customers (customer_id, admitted_by, contact_id)
SELECT n, 'test', 'c' || n FROM generate_series(1, 20000) AS n;
INSERT INTO pcd.crm_cycles (customer_id, cycle, opportunity_id)
SELECT n, 1, 'o' || n FROM generate_series(1, 20000) AS n;
INSERT INTO integrations.ghl_outbox (lane, customer_id, kind, reason, cause, state)
SELECT 'customer ' || n, n, 'update_contact', '', 'test', CASE WHEN n % 50 = 0 THEN 'owed' ELSE 'done' END
FROM generate_series(1, 20000) AS n;
INSERT INTO integrations.ghl_contacts (ghl_id, full_data, email, phone, st_customer_id)
SELECT 'c' || n, '{}', 'c' || n || '@example.com', '+1813' || n, n FROM generate_series(1, 20000) AS n;
INSERT INTO integrations.ghl_opportunities (ghl_id, ghl_pipeline_id, ghl_contact_id, name, full_data)
SELECT 'o' || n, 'p', 'c' || n, 'card', '{}' FROM generate_series(1, 20000) AS n;
INSERT INTO automation.events (type, entity_type, entity_id, customer_id, payload, occurred_at)
SELECT 'job_created', 'job', n, n, '{}', now() FROM generate_series(1, 20000) AS n;
INSERT INTO pcd.crm_progress (baseline_at, event_sequence, changes_until)
SELECT now(), max(sequence), now() FROM automation.events;
ANALYZE;
"""
LARGE = (
    "ghl_outbox",
    "crm_customers",
    "crm_cycles",
    "ghl_contacts",
    "ghl_opportunities",
    "events",
    "events_default",
)


CLAIM = ("16", "ARRAY[1]", "false", "'ghl'", "1")


async def plan(connection: Connection, name: str, *args: str) -> str:
    """Return the plan of a named query as it is made for any argument."""
    await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE asked AS {SQL[name]}")
    given = f" ({', '.join(args)})" if args else ""
    rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE asked{given}")
    await connection.execute("DEALLOCATE asked")
    return "\n".join(row[0] for row in rows)


async def test_no_query_of_the_hot_path_reads_a_large_table_whole(db: Database) -> None:
    await db.execute(FILL)
    lease = ("'ghl'", "1")
    asked = {
        "look_at_events": (*lease, "2000", "ARRAY['job_created']", "false"),
        "dirty": ("100", "NULL", "500", "false"),
        "accounts": ("ARRAY[1]",),
        "claim_calls": CLAIM,
        "until_next_call": (),
        "contact_of": ("1",),
        "answer_call": ("1", "1", "'c1'", "'{}'"),
        "store_contacts": ("'[]'",),
        "store_opportunities": ("'[]'",),
        "link": ("1", "'c1'", "'created'"),
        "apply_contact": ("1", "'{}'"),
        "apply_opportunity": ("1", "1", "'o1'", "'{}'"),
        "settle": (*lease, "'[]'", "ARRAY[1]", "'[]'", "ARRAY[1]", "ARRAY[1]"),
        "candidates": ("ARRAY[1]", "ARRAY['c1@example.com']", "ARRAY['+18131']"),
        "deals_of": ("'c1'",),
    }
    async with db.transaction() as connection:
        plans = {name: await plan(connection, name, *args) for name, args in asked.items()}
    scans = [
        (name, line.strip())
        for name, text in plans.items()
        for line in text.splitlines()
        if any(f"Seq Scan on {table} " in f"{line} " for table in LARGE)
    ]
    assert scans == []


@pytest.mark.parametrize("fill", ["SELECT", FILL], ids=["never filled", "full and looked at"])
async def test_calls_are_taken_one_by_one_however_many_wait(db: Database, fill: str) -> None:
    """Whatever reads all lanes at once takes longer with each call that a backfill owes, or owed."""
    await db.execute(fill)
    asked = {
        "claim_calls": CLAIM,
        "until_next_call": (),
        "dirty": ("100", "NULL", "500", "false"),
    }
    async with db.transaction() as connection:
        for setting, value in SESSION.items():
            await connection.execute(f"SET LOCAL {setting} = {value}")
        plans = {name: await plan(connection, name, *args) for name, args in asked.items()}
    found = [
        (name, line.strip())
        for name, text in plans.items()
        for line in text.splitlines()
        if any(word in line for word in ("Anti Join", "Sort", "Bitmap"))
    ]
    assert found == []
