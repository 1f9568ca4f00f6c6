"""The statements of the engine keep to their indexes, however many instances wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from pcd.db import queries
from pcd.workflows.runner import SESSION

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

SQL = queries.load("pcd.workflows")
WAITING = 100_000
FILL = """INSERT INTO automation.workflow_instances (
    workflow_name, workflow_version, event_id, event_type, entity_type, entity_id, customer_id, priority,
    due_at, awaited_event, awaited_of
)
SELECT 'test', '1', gen_random_uuid(), 'estimate_created', 'estimate', i, i, i % 3, now() + interval '1 day',
    CASE WHEN i % 10 = 0 THEN 'estimate_approved' END, 'entity'
FROM generate_series(1, $1::integer) AS i"""


@pytest_asyncio.fixture
async def waiting(db: Database) -> Database:
    """Return a database with many instances that wait."""
    await db.execute(FILL, WAITING)
    await db.execute("ANALYZE automation.workflow_instances")
    return db


PLANS = (
    ("claim", "100, interval '1 min', 'me'", ["workflow_instances_due"]),
    ("claim_suspect", "interval '1 min', 'me'", ["workflow_instances_suspect"]),
    ("next_due", "true", ["workflow_instances_due", "workflow_instances_suspect"]),
    ("rescue", "100", ["workflow_instances_leased"]),
    ("next_expiry", "", ["workflow_instances_leased"]),
    ("renew", "'{}', '{}', interval '1 min'", ["workflow_instances_pkey"]),
    ("release", "'{}', '{}'", ["workflow_instances_pkey"]),
    ("settle", ", ".join(["'{}'"] * 27 + ["'me'"]), ["workflow_instances_pkey"]),
    ("still_ours", "gen_random_uuid(), 1", ["workflow_instances_pkey"]),
    (
        "start",
        ", ".join(["'{}'"] * 12),
        ["workflow_instances_once"],
    ),
    ("awaited_types", "", ["workflow_instances_awaiting"]),
    ("wake", "'{}', '{}', '{}', '{}'", ["workflow_instances_entity_type_entity_id_idx"]),
    ("prune", "interval '1 year', 100", ["workflow_instances_ended"]),
)


async def test_engine_reads_instances_by_index(waiting: Database) -> None:
    """Each statement, as its generic plan has it."""
    for name, args, indexes in PLANS:
        text = await _plan(waiting, name, args)
        assert "Seq Scan on workflow_instances" not in text, f"{name}: {text}"
        assert [index for index in indexes if index not in text] == [], f"{name}: {text}"


async def _plan(db: Database, name: str, args: str) -> str:
    async with db.transaction() as connection:
        for key, value in SESSION.items():
            await connection.execute(f"SET LOCAL {key} = {value}")
        await connection.execute(f"PREPARE asked AS {SQL[name]}")
        execute = f"EXECUTE asked ({args})" if args else "EXECUTE asked"
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {execute}")
        await connection.execute("DEALLOCATE asked")
    return "\n".join(row[0] for row in rows)


async def test_finding_due_ones_touches_no_waiting_one(waiting: Database) -> None:
    """As many pages as the few due ones need, among 100,000 that wait."""
    await waiting.execute(
        "UPDATE automation.workflow_instances SET due_at = now() WHERE entity_id % 10000 = 1"
    )
    async with waiting.transaction() as connection:
        statement = SQL["claim"].replace("$1", "100").replace("$2", "'1 min'").replace("$3", "'me'")
        rows = await connection.fetch(
            f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, FORMAT TEXT) {statement}"
        )
    removed = [int(row[0].rpartition(":")[2]) for row in rows if "Rows Removed" in row[0]]
    assert sum(removed) == 0
