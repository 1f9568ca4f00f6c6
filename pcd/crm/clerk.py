"""Does what a person asks of the CRM, under the lease: a pass now, a backfill, another try, the switch."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pcd.crm import outbox, preview
from pcd.crm.reconciler import BACKFILL
from pcd.crm.switch import Mode
from pcd.db import queries
from pcd.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

    from pcd.crm.patroller import Patroller
    from pcd.crm.works import Works

_SQL = queries.load("pcd.crm")

COMMAND: Final = "command"
"""The cause of what a person asked for by name."""

RECENT: Final = timedelta(days=7)
"""How far back ``pcd ghl sync estimates`` looks, as the old script did."""

_AT_ONCE = 500


class Clerk:
    """Answers with JSON values. What it makes us owe is sent by the sender."""

    def __init__(self, works: Works, patroller: Patroller) -> None:
        self.works = works
        self._patroller = patroller

    async def reconcile(self) -> dict[str, Any]:
        """Do the five-minute pass now."""
        await self._need_mode()
        await self._patroller.look_there()
        return asdict(await self._patroller.reconcile(by=COMMAND))

    async def pull(self, collections: Sequence[str], *, full: bool) -> dict[str, Any]:
        """Copy what GoHighLevel holds."""
        puller = self.works.puller
        await puller.account()
        pulled = []
        if "contacts" in collections:
            pulled.append(await puller.contacts(full=full, by=COMMAND, low_priority=False))
        if "opportunities" in collections:
            pulled.append(await puller.opportunities(full=full, by=COMMAND, low_priority=False))
        await self.works.premises.refresh(self.works.db)
        return {"pulled": [asdict(each) for each in pulled]}

    async def push(self, since: datetime) -> dict[str, Any]:
        """Take in whoever had an estimate made or changed *since*, and consider them now."""
        await self._need_mode()
        ids = [row["customer_id"] for row in await self.works.db.fetch(_SQL["sellers"], since)]
        await self.works.marker.take_in(ids, cause=COMMAND, backfill_since=since)
        done = await self.works.reconciler.drain(ids)
        return {
            "customers": done.customers,
            "created": done.created,
            "updated": done.updated,
            "parked": done.parked,
        }

    async def backfill(self, *, since: datetime, most: int | None) -> dict[str, Any]:
        """Take in customers who do not take part yet, all of them or *most* at once; they are sent last."""
        await self._need_mode()
        count = 0
        async for ids in strangers(self.works, most=most):
            await self.works.marker.take_in(ids, cause=BACKFILL, backfill_since=since)
            count += len(ids)
        self.works.lanes.tell_dirty()
        return {"customers": count}

    async def retry(self, ids: Sequence[int]) -> dict[str, Any]:
        """Send dead calls again, all of them or *ids*."""
        retried = await outbox.retry(self.works.db, list(ids) or None)
        self.works.lanes.tell_owed()
        return {"retried": retried}

    async def link(self, customer_id: int, contact_id: str) -> dict[str, Any]:
        """Decide a conflict: the contact is the customer's."""
        found = await self.works.client.get_contact(contact_id)
        if found is None:
            raise ControlError(f"GoHighLevel has no contact {contact_id}", code="bad_params")
        await self.works.performer.adopt(customer_id, found)
        await self.works.marker.take_in([customer_id], cause=COMMAND)
        self.works.lanes.tell_dirty()
        return {"customer_id": customer_id, "contact_id": contact_id}

    async def switch(self, *, is_live: bool) -> dict[str, Any]:
        """Go live, or back to recording only; nothing is written any more once that has returned."""
        await self._need_mode()
        async with self.works.lanes.taking(), self.works.db.transaction() as connection:
            await self.works.lease.fence(connection)
            told = await self.works.switch.turn(connection, is_live=is_live, by=COMMAND)
            if is_live:
                await connection.execute(_SQL["mark_rehearsed"])
        if not is_live:
            await self.works.sender.until_answered()
        self.works.lanes.tell_dirty()
        self.works.lanes.tell_owed()
        return told

    async def set_unit(self, unit_id: int, pipeline_id: str | None) -> dict[str, Any]:
        """Let a business unit's estimates take part under a pipeline, or not."""
        name = await self.works.db.fetchval(_SQL["set_unit"], unit_id, pipeline_id)
        if name is None:
            raise ControlError(f"there is no business unit {unit_id}", code="bad_params")
        await self.works.db.execute(_SQL["mark_sellers"])
        self.works.lanes.tell_dirty()
        return {"unit_id": unit_id, "name": name, "pipeline_id": pipeline_id}

    async def preview_backfill(self, *, since: datetime, most: int | None) -> dict[str, Any]:
        """Return what a backfill would do and cost; nothing is written in GoHighLevel."""
        works, total = self.works, preview.Cost()
        async for ids in strangers(works, most=most):
            total.add(await preview.backfill(works, ids, since=since))
        return total.describe(works)

    async def _need_mode(self) -> Mode:
        mode = await self.works.mode()
        if mode is Mode.OFF:
            raise ControlError("GoHighLevel is switched off: ghl.enabled is false", code="disabled")
        return mode


async def strangers(works: Works, *, most: int | None) -> AsyncGenerator[list[int]]:
    """Yield the customers who do not take part, some at a time, *most* in all."""
    last, left = 0, most
    while left is None or left > 0:
        limit = _AT_ONCE if left is None else min(_AT_ONCE, left)
        ids = [row["st_id"] for row in await works.db.fetch(_SQL["strangers"], last, limit)]
        if not ids:
            return
        yield ids
        last = ids[-1]
        left = None if left is None else left - len(ids)
