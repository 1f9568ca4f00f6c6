"""Writes pages of records into mirrored tables: only what differs, inside the caller's transaction.

A page is compared by hash first: the ids and hashes of its records go to the database, and only
those that differ come back. Unchanged records cost no write at all, not even a row lock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio.lowlevel

from pcd.db import queries
from pcd.sync.batch import Item, Misfit, Reader, gather, slices
from pcd.sync.loader import Loaded, Loader
from pcd.sync.request import Tally
from pcd.sync.weigh import is_stale, normalise_modified
from pcd.tables import derived, presence, statements
from pcd.tables.statements import pack

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from datetime import datetime

    import msgspec

    from pcd.db.pool import Connection, Record
    from pcd.sync.batch import Batch
    from pcd.sync.surprise import Surprise
    from pcd.tables.catalogue import Table
    from pcd.tables.spec import Resource

log = logging.getLogger(__name__)

_SQL = queries.load("pcd.sync")
_READ_AT_ONCE = 200
_COMPARE_AT_ONCE = 5000


@dataclass(slots=True)
class _Page:
    """What a page has come to so far: *before* are the rows as they stood, *written* the ids stored."""

    tally: Tally
    misfits: list[Misfit]
    loaded: Loaded
    before: list[Record] = field(default_factory=list)
    written: list[int] = field(default_factory=list)


class Writer:
    """Writes one resource's records; made for the table as it really is."""

    def __init__(self, resource: Resource, table: Table, *, tenant_id: int) -> None:
        """Write *resource* of *tenant_id* into *table*."""
        self.resource = resource
        self._reader = Reader(resource)
        self._keys = derived.keys(resource)
        self._prefilter = statements.prefilter(resource, keys=self._keys)
        self._loader = Loader(resource, table, tenant_id=tenant_id, keys=self._keys)
        self._derived = derived.of(resource)
        self._own_lock = derived.own_lock(resource)

    async def prepare(self, records: Sequence[msgspec.Raw]) -> Batch:
        """Return *records* as a batch, in slices so that the event loop stays responsive."""
        items: list[Item] = []
        misfits: list[Misfit] = []
        for part in slices(records, _READ_AT_ONCE):
            fitting, unfitting = self._reader.read(part)
            items += fitting
            misfits += unfitting
            await anyio.lowlevel.checkpoint()
        return gather(items, misfits)

    async def store(self, connection: Connection, batch: Batch, *, as_of: datetime) -> Tally:
        """Store *batch*; *as_of* is when the request that brought it started.

        A record that PostgreSQL refuses goes to the quarantine with the reason; the rest is stored.
        """
        page = _Page(Tally(fetched=batch.fetched), list(batch.misfits), self._loader.begin())
        for items in slices(batch.items, _COMPARE_AT_ONCE):
            await self._store_slice(connection, items, as_of=as_of, page=page)
        if page.written:
            # Once for the whole page, so that parents are locked in ascending order.
            now = {"st_id": page.written, **page.loaded.keys}
            await self._derive(connection, [*page.before, now])
            await connection.execute(
                _SQL["release_quarantined"], self.resource.name, pack(map(str, page.written))
            )
        if page.misfits:
            await self._quarantine(connection, page.misfits)
            page.tally.failed += len(page.misfits)
        if page.loaded.met:
            await self._note(connection, page.loaded.met)
        # A repeated id is one row: what the page served twice counts as unchanged.
        page.tally.unchanged += batch.fetched - len(batch.items) - len(batch.misfits)
        return page.tally

    async def compare(
        self, connection: Connection, batch: Batch, *, as_of: datetime
    ) -> tuple[set[int], set[int]]:
        """Return the ids of *batch* that are not stored, and of those stored in an older state."""
        missing: set[int] = set()
        differing: set[int] = set()
        for items in slices(batch.items, _COMPARE_AT_ONCE):
            rows = await self._differing(connection, items)
            missing |= {st_id for st_id, row in rows.items() if not row["is_stored"]}
            differing |= {
                item.st_id
                for item in items
                if item.st_id in rows and item.st_id not in missing and not _loses(item, rows, as_of)
            }
        return missing, differing

    async def mark_gone(self, connection: Connection, ids: Sequence[int]) -> None:
        """Mark the rows *ids* as gone upstream; the rows and their full_data stay."""
        if self._own_lock is not None:
            await connection.execute(self._own_lock)
        rows = await connection.fetch(presence.mark_gone(self.resource, keys=self._keys), ids)
        await self._derive(connection, rows)

    async def _store_slice(
        self, connection: Connection, items: Sequence[Item], *, as_of: datetime, page: _Page
    ) -> None:
        differing = await self._differing(connection, items)
        newer = [item for item in items if item.st_id in differing and not _loses(item, differing, as_of)]
        page.tally.unchanged += len(items) - len(differing)
        page.tally.stale += len(differing) - len(newer)
        if not newer:
            return
        if self._own_lock is not None and not page.written:
            await connection.execute(self._own_lock)
        stored = {st_id for st_id, row in differing.items() if row["is_stored"]}
        misfits = await self._loader.load(connection, newer, stored=stored, as_of=as_of, into=page.loaded)
        refused = {misfit.st_id for misfit in misfits}
        written = [item.st_id for item in newer if item.st_id not in refused]
        created = sum(st_id not in stored for st_id in written)
        page.tally.created += created
        page.tally.updated += len(written) - created
        page.misfits += misfits
        page.before += [row for row in differing.values() if row["is_stored"]]
        page.written += written

    async def _differing(self, connection: Connection, items: Sequence[Item]) -> dict[int, Record]:
        rows = await connection.fetch(
            self._prefilter, pack([str(item.st_id) for item in items]), pack([item.digest for item in items])
        )
        return {row["st_id"]: row for row in rows}

    async def _derive(self, connection: Connection, rows: Sequence[derived.Row]) -> None:
        """Recompute what other tables derive from *rows*, as they were and as they are."""
        targets = {one.key: one.targets(rows) for one in self._derived}
        for one in self._derived:
            if targets[one.key]:
                await connection.execute(one.lock)
                await connection.execute(one.sql, targets[one.key])

    async def _quarantine(self, connection: Connection, misfits: Sequence[Misfit]) -> None:
        await connection.execute(
            _SQL["quarantine"],
            self.resource.name,
            [misfit.st_id for misfit in misfits],
            [misfit.raw for misfit in misfits],
            [bytes.fromhex(misfit.digest) for misfit in misfits],
            [misfit.reason for misfit in misfits],
        )
        log.warning(
            "%s: %d records do not fit and are quarantined; the first: id %s, %s",
            self.resource.name,
            len(misfits),
            misfits[0].st_id,
            misfits[0].reason,
        )

    async def _note(self, connection: Connection, met: Counter[Surprise]) -> None:
        found = sorted(met)
        rows = await connection.fetch(
            _SQL["note_surprises"],
            self.resource.name,
            [surprise.kind for surprise in found],
            [surprise.name for surprise in found],
            [surprise.value for surprise in found],
            [met[surprise] for surprise in found],
        )
        for row in rows:
            if row["is_new"]:
                log.info(_SENTENCES[row["kind"]], self.resource.name, row["name"], row["value"])


_SENTENCES = {
    "field": "%s: ServiceTitan sends a field we do not know, %s%s; it is kept in full_data",
    "value": "%s: %s has a value we did not expect, %r; it is stored as it is",
    "cut": "%s: values are too long for column %s%s and are cut to fit; full_data holds them whole",
}


def _loses(item: Item, stored: dict[int, Record], as_of: datetime) -> bool:
    row = stored[item.st_id]
    if not row["is_stored"]:
        return False
    return is_stale(
        modified=normalise_modified(item.modified),
        as_of=as_of,
        stored_modified=row["pcd_modified"],
        stored_as_of=row["pcd_as_of"],
    )
