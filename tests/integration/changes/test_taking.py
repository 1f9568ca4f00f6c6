"""Consuming the outbox."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from pcd.changes.reader import take

if TYPE_CHECKING:
    from pcd.changes.change import Change
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

State = dict[str, Any] | None


async def put(db: Database, *entries: tuple[int, State, State]) -> None:
    """Write *entries* (st_id, before, after) to the outbox in one transaction."""
    async with db.transaction() as connection:
        for st_id, before, after in entries:
            await connection.execute(
                "INSERT INTO pcd.outbox (resource, st_id, op, before, after) VALUES ('jobs', $1, $2, $3, $4)",
                st_id,
                b"I" if before is None else b"D" if after is None else b"U",
                None if before is None else orjson.dumps(before).decode(),
                None if after is None else orjson.dumps(after).decode(),
            )


async def taken(db: Database, limit: int = 1000) -> list[Change]:
    async with db.transaction() as connection:
        return await take(connection, limit)


def told(changes: list[Change]) -> list[tuple[int, str, object, object]]:
    return [(it.st_id, it.op, it.before, it.after) for it in changes]


async def test_an_empty_outbox_yields_nothing(db: Database) -> None:
    assert await taken(db) == []


async def test_a_change_is_taken_once_and_logged(db: Database) -> None:
    await put(db, (1, None, {"total": 1.5}))
    (change,) = await taken(db)
    assert (change.resource, change.st_id, change.op, change.before) == ("jobs", 1, "I", None)
    assert change.after == {"total": Decimal("1.5")}
    assert await taken(db) == []
    row = await db.fetchrow("SELECT * FROM pcd.change_log")
    assert row is not None
    assert (row["id"], row["st_id"], row["changed_at"]) == (change.id, 1, change.changed_at)


async def test_what_one_transaction_did_to_a_row_is_one_change(db: Database) -> None:
    await put(db, (1, {"s": "a"}, {"s": "b"}), (2, None, {"s": "x"}), (1, {"s": "b"}, {"s": "c"}))
    assert told(await taken(db)) == [(2, "I", None, {"s": "x"}), (1, "U", {"s": "a"}, {"s": "c"})]


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([(1, {"s": "a"}, None), (1, None, {"s": "a"})], id="deleted-and-inserted-alike"),
        pytest.param([(1, None, {"s": "a"}), (1, {"s": "a"}, None)], id="inserted-and-deleted"),
        pytest.param([(1, {"s": "a"}, {"s": "b"}), (1, {"s": "b"}, {"s": "a"})], id="there-and-back"),
    ],
)
async def test_what_a_transaction_undoes_itself_is_no_change(db: Database, entries: Any) -> None:  # noqa: ANN401 - a case
    await put(db, *entries)
    await put(db, (7, None, {}))
    assert told(await taken(db, 2)) == [(7, "I", None, {})]


async def test_a_row_that_comes_back_is_no_new_one(db: Database) -> None:
    """The old worker may reload a table with TRUNCATE and INSERT, each in a transaction of its own."""
    await put(db, (1, {"s": "a"}, None))
    assert told(await taken(db)) == [(1, "D", {"s": "a"}, None)]
    await put(db, (1, None, {"s": "b"}))
    assert told(await taken(db)) == [(1, "U", {"s": "a"}, {"s": "b"})]
    assert await db.fetchval("SELECT count(*) FROM pcd.departed") == 0


async def test_a_row_that_leaves_and_comes_back_within_one_batch_is_no_new_one(db: Database) -> None:
    await put(db, (1, {"s": "a"}, None))
    await put(db, (1, None, {"s": "a"}))
    await put(db, (1, {"s": "a"}, None))
    assert told(await taken(db)) == [
        (1, "D", {"s": "a"}, None),
        (1, "U", {"s": "a"}, {"s": "a"}),
        (1, "D", {"s": "a"}, None),
    ]
    await put(db, (1, None, {"s": "a"}))
    await put(db, (1, {"s": "a"}, None))
    assert [it.op for it in await taken(db)] == ["U", "D"]
    assert await db.fetchval("SELECT count(*) FROM pcd.departed") == 1


async def test_a_full_batch_does_not_show_the_middle_of_a_transaction(db: Database) -> None:
    """Nobody ever saw the state in between, so nothing may follow from it."""
    await put(db, (1, {"s": "a"}, {"s": "b"}), (2, None, {}), (1, {"s": "b"}, {"s": "a"}))
    assert told(await taken(db, 1)) == [(2, "I", None, {})]
    assert await taken(db, 1) == []
