"""What is asked before every message keeps to its index, however long the log is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pcd.db import queries

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

SQL = queries.load("pcd.messages")
FILL = """INSERT INTO automation.messaging_log (
    channel, direction, body, status, idempotency_key, customer_id, claimed_at, claim, workflow_instance_id
)
SELECT 'sms', 'outbound', 'x', 'sent', 'k:' || i, i % 2000, now() - i * interval '1 minute',
    gen_random_uuid(), gen_random_uuid()
FROM generate_series(1, 40000) AS i"""
CONVERSATIONS = """INSERT INTO pcd.conversations (contact_id, customer_id, written_at, read_at)
SELECT 'c' || i, i, now() - i * interval '1 minute', now() FROM generate_series(1, 20000) AS i"""
# Whoever was merged is one of many, and many have said what they want.
CUSTOMERS = """INSERT INTO servicetitan.st_customers (tenant_id, st_id, name, merged_to_id, full_data)
SELECT 1, i, 'x', CASE WHEN i % 50 = 0 THEN i + 1 END, '{}' FROM generate_series(1, 20000) AS i"""
WISHES = """INSERT INTO public.customer_communication_preferences (customer_id, sms_opted_out)
SELECT i, i % 3 = 0 FROM generate_series(1, 20000) AS i"""
NONE = "'00000000-0000-0000-0000-000000000000'"
PLANS = (
    ("find_message", "'k:1'", "messaging_log_once"),
    ("sent_at", "1, now(), ARRAY['sent'], 'k:1'", "messaging_log_claims"),
    ("find_original", f"{NONE}, 'k', 'k:1'", "workflow_instance_id"),
    ("record_sent", f"{NONE}, {NONE}, '', '', now()", "messaging_log_pkey"),
    ("park_stale", "now()", "messaging_log_open_claims"),
    ("conversations_to_read", "now(), now(), 20", "conversations_read_at_written_at_idx"),
    ("standing", "1, 'sms', '+18135550100'", "merged_to_id"),
    ("sharers", "'8135550100', 1", "merged_to_id"),
)
# Nobody has written any of these rows, and a table without rows is read whole.
EMPTY = ("st_customer_contacts", "stopped_addresses")


async def test_log_is_read_by_index(db: Database) -> None:
    await db.execute(FILL)
    await db.execute(CONVERSATIONS)
    await db.execute(CUSTOMERS)
    await db.execute(WISHES)
    await db.execute("ANALYZE")
    for name, args, index in PLANS:
        async with db.transaction() as connection:
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            await connection.execute(f"PREPARE asked AS {SQL[name]}")
            rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE asked ({args})")
            await connection.execute("DEALLOCATE asked")
        plan = "\n".join(row[0] for row in rows if not any(f"Seq Scan on {each}" in row[0] for each in EMPTY))
        assert "Seq Scan" not in plan, f"{name}: {plan}"
        assert index in plan, f"{name}: {plan}"
