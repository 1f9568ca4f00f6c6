"""Copies what GoHighLevel holds into ``integrations.*``, so that nobody has to be looked up one by one."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson

from pcd.crm.copy import contact_row, opportunity_row
from pcd.crm.journal import passing
from pcd.db import queries
from pcd.ghl.shapes import Contact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    from pcd.crm.journal import Tally
    from pcd.crm.settings import CrmSettings
    from pcd.db.pool import Connection, Database
    from pcd.ghl.client import GoHighLevel
    from pcd.ghl.shapes import Opportunity

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.crm")

OVERLAP: Final = timedelta(minutes=2)
"""How far behind the last pull an incremental one looks, and how long a copy is kept that a full one has not
met: a search there lags by seconds.

Source: reports of integrators, the longest of 20 seconds.
"""

_BATCH = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull brought. *gone* are records that GoHighLevel no longer has."""

    collection: str
    fetched: int
    created: int
    updated: int
    gone: int


class Puller:
    """Reads GoHighLevel into the database. It writes nothing there."""

    def __init__(self, db: Database, client: GoHighLevel, *, settings: Callable[[], CrmSettings]) -> None:
        self._db = db
        self._client = client
        self._settings = settings

    async def pull(self, *, full: bool, by: str, low_priority: bool = True) -> list[Pulled]:
        """Copy everything there is, or what changed since the last time."""
        return [
            await self.contacts(full=full, by=by, low_priority=low_priority),
            await self.opportunities(full=full, by=by, low_priority=low_priority),
        ]

    async def account(self) -> None:
        """Copy the subaccount's settings, pipelines, users and custom fields."""
        place = await self._client.subaccount()
        pipelines = [
            {
                "ghl_id": each.id,
                "name": each.name,
                "stages": [
                    {"id": stage.id, "name": stage.name, "position": stage.position} for stage in each.stages
                ],
            }
            for each in await self._client.pipelines()
        ]
        users = [
            {"ghl_id": each.id, "name": each.name, "email": each.email, "full_data": _json(each.raw)}
            for each in await self._client.users()
        ]
        fields = [
            {
                "ghl_id": each.id,
                "field_key": each.key,
                "name": each.name,
                "model": each.model,
                "options": each.options,
            }
            for model in ("contact", "opportunity")
            for each in await self._client.custom_fields(model)
        ]
        async with self._db.transaction() as connection:
            await connection.execute(
                _SQL["store_place"],
                place.id,
                place.name,
                place.timezone,
                place.country,
                place.allow_duplicate_contact,
                place.allow_duplicate_opportunity,
            )
        for name, rows in (("pipelines", pipelines), ("users", users), ("custom_fields", fields)):
            async with self._db.transaction() as connection:
                await connection.execute(_SQL[f"store_{name}"], orjson.dumps(rows).decode())

    async def contacts(self, *, full: bool, by: str, low_priority: bool = True) -> Pulled:
        """Copy contacts."""
        since = None if full else await _since(self._db, "contacts")
        pages = self._client.contacts(updated_since=since, low_priority=low_priority)
        async with passing(self._db, "import_contacts", direction="from_ghl", by=by) as tally:
            return await self._copy("contacts", pages, tally, is_full=since is None)

    async def opportunities(self, *, full: bool, by: str, low_priority: bool = True) -> Pulled:
        """Copy opportunities."""
        since = None if full else await _since(self._db, "opportunities")
        pages = self._client.opportunities(updated_since=since, low_priority=low_priority)
        async with passing(self._db, "import_opportunities", direction="from_ghl", by=by) as tally:
            return await self._copy("opportunities", pages, tally, is_full=since is None)

    async def _copy(
        self,
        collection: str,
        pages: AsyncIterator[Sequence[Contact]] | AsyncIterator[Sequence[Opportunity]],
        tally: Tally,
        *,
        is_full: bool,
    ) -> Pulled:
        began_at = await self._db.fetchval(_SQL["now"])
        async for page in pages:
            rows = [self._row(record) for record in page]
            async with self._db.transaction(timeout=_BATCH) as connection:
                written = await store_in(connection, collection, rows)
            tally.fetched += len(page)
            tally.created += written.count(True)
            tally.updated += written.count(False)
        gone = 0
        async with self._db.transaction(timeout=_BATCH) as connection:
            if is_full:
                gone = await connection.fetchval(_SQL[f"lose_{collection}"], began_at - OVERLAP)
            await connection.execute(_SQL["pulled"], collection, began_at, is_full)
        if gone:
            _log.info("ghl: %d %s are no longer in GoHighLevel", gone, collection)
        return Pulled(
            collection=collection,
            fetched=tally.fetched,
            created=tally.created,
            updated=tally.updated,
            gone=gone,
        )

    def _row(self, record: Contact | Opportunity) -> dict[str, Any]:
        if isinstance(record, Contact):
            return contact_row(record, customer_field=self._settings().custom_fields.customer or "")
        return opportunity_row(record)


async def preview(db: Database, client: GoHighLevel, collection: str, *, full: bool) -> Pulled:
    """Return what a pull of *collection* would bring; writes nothing, here or there."""
    read = client.contacts if collection == "contacts" else client.opportunities
    since = None if full else await _since(db, collection)
    found: Counter[str] = Counter()
    async for page in read(updated_since=since, low_priority=True):
        rows = [{"ghl_id": record.id, "full_data": _json(record.raw)} for record in page]
        compared = await db.fetch(_SQL[f"compare_{collection}"], orjson.dumps(rows).decode())
        found.update(row["standing"] for row in compared)
    held = await db.fetchval(_SQL[f"count_{collection}"]) if since is None else 0
    return Pulled(
        collection=collection,
        fetched=found.total(),
        created=found["new"],
        updated=found["changed"] + found["back"],
        gone=max(held - found["same"] - found["changed"], 0),
    )


async def _since(db: Database, collection: str) -> datetime | None:
    at: datetime | None = await db.fetchval(_SQL["seen_until"], collection)
    return None if at is None else at - OVERLAP


async def store_in(connection: Connection, collection: str, rows: Sequence[dict[str, Any]]) -> list[bool]:
    """Store copies of *collection*; yield for each that was written whether it is new."""
    if not rows:
        return []
    found = await connection.fetch(_SQL[f"store_{collection}"], orjson.dumps(rows).decode())
    return [row["is_new"] for row in found]


def _json(raw: bytes) -> Any:  # noqa: ANN401 - JSON
    return orjson.loads(raw or b"{}")
