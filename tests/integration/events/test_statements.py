"""The statements of this stage fit the real schema, and the hot ones use their indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.detecting import detecting, upsert

from pcd.db import queries
from pcd.events import statements
from pcd.events.rules import RULES
from pcd.tables import catalogue

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

NAMED = queries.load("pcd.events")


@pytest.mark.parametrize("entity", [None, ("estimate", 1)], ids=["window", "entity"])
async def test_statements_made_from_declarations_fit_the_schema(
    db: Database, entity: tuple[str, int] | None
) -> None:
    """For each resource that a rule watches, and for all together."""
    async with db.session() as connection:
        made = statements.record(RULES.values(), await catalogue.read(connection))
        assert set(made.in_transaction) == {"", *(rule.resource for rule in RULES.values())}
        for sql in (*made.in_transaction.values(), *made.at_once.values()):
            await connection.prepare(sql)
        for resource in {rule.resource for rule in RULES.values()}:
            watching = [rule for rule in RULES.values() if rule.resource == resource]
            await connection.prepare(statements.rows(resource, entity, watching))


@pytest.mark.parametrize(
    ("name", "args", "index"),
    [
        pytest.param("due_now", (["invoice_overdue"], 10), "due_due_at", id="what falls due"),
        pytest.param("after", (0, None, None, None, None), "sequence", id="followers"),
        pytest.param("change", (1,), "change_log", id="a logged change"),
    ],
)
async def test_hot_statement_uses_its_index(
    db: Database, name: str, args: tuple[object, ...], index: str
) -> None:
    """With many rows no whole table is read for a few of them."""
    async with detecting(db) as detection:
        async with db.transaction() as connection:
            for st_id in range(200):
                await connection.execute(*upsert("estimates", st_id, status="Open", total=5))
        await detection.events()
    await db.execute(
        "INSERT INTO pcd.due SELECT 'invoice_overdue', n, now() + n * interval '1 day', '', '{}' "
        "FROM generate_series(1, 5000) AS n"
    )
    await db.execute("ANALYZE pcd.due")
    async with db.session() as connection:
        await connection.execute("SET enable_seqscan = off")
        rows = await connection.fetch(f"EXPLAIN {NAMED[name]}", *args)
    plan = "\n".join(row[0] for row in rows)
    assert "Index" in plan, plan
    assert index in plan, plan
