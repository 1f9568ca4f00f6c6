"""Puts records into a migrated database as the sync does: rows first, then what follows them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pcd.tables import RESOURCES, derived, statements

if TYPE_CHECKING:
    from pcd.db.pool import Connection, Database, Record
    from pcd.tables.catalogue import Catalogue

AS_OF = datetime(2026, 3, 5, tzinfo=UTC)
TENANT = 1000


class Rows:
    """The rows of the mirrored tables of *db*."""

    def __init__(self, db: Database, found: Catalogue) -> None:
        """Write to the tables as *found*."""
        self.db = db
        self.tables = found.tables

    async def put(self, name: str, *records: dict[str, Any]) -> Record:
        """Write *records* of resource *name* with everything derived; return the upsert's answer."""
        async with self.db.transaction() as connection:
            return await self.put_in(connection, name, *records)

    async def row(self, table: str, st_id: int) -> Record:
        """Return one row of ``servicetitan.<table>``, with its xmin."""
        row = await self.db.fetchrow(f"SELECT *, xmin FROM servicetitan.{table} WHERE st_id = $1", st_id)
        assert row is not None
        return row

    async def recompute(self) -> None:
        """Run every full pass."""
        async with self.db.transaction() as connection:
            for each in derived.PASSES:
                await connection.execute(each.lock)
                await connection.execute(each.sql, None)

    async def put_in(self, connection: Connection, name: str, *records: dict[str, Any]) -> Record:
        """Do what `put` does in a transaction that is under way."""
        resource = RESOURCES[name]
        own_lock = derived.own_lock(resource)
        if own_lock:
            await connection.execute(own_lock)
        keys = derived.keys(resource)
        ids = [record["id"] for record in records]
        stored = f"SELECT * FROM servicetitan.{resource.table} WHERE st_id = ANY($1)"
        before = await connection.fetch(stored, ids)
        raw = [json.dumps(record) for record in records]
        answer = await connection.fetchrow(
            statements.upsert(resource, self.tables[resource.table], keys=keys),
            statements.pack(raw),
            statements.pack(digest(text) for text in raw),
            statements.pack(record.get("modifiedOn") or "" for record in records),
            AS_OF,
            TENANT,
        )
        assert answer is not None
        rows: list[derived.Row] = [*before, {"st_id": ids, **{key: answer[key] for key in keys}}]
        for each in derived.of(resource):
            await connection.execute(each.lock)
            await connection.execute(each.sql, each.targets(rows))
        return answer


def digest(text: str) -> str:
    """Return what stands for a record's hash here."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
