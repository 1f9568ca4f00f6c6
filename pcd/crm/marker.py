"""Finds out whose facts may have changed since they were last considered, and who begins to take part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.db import queries
from pcd.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from pcd.crm.settings import CrmSettings
    from pcd.db.leases import Lease
    from pcd.db.pool import Database, Record

_SQL = queries.load("pcd.crm")
_AT_ONCE = 2000

_NEW_CUSTOMER = frozenset({"customer_created"})
_WORK = (
    "job_created",
    "install_job_created",
    "job_rescheduled",
    "job_completed",
    "job_canceled",
    "appointment_created",
    "appointment_rescheduled",
    "appointment_canceled",
)
_SALES = ("estimate_created", "estimate_updated", "estimate_approved", "estimate_rejected")


def admitting(settings: CrmSettings) -> frozenset[str]:
    """Return the events that let a customer take part who did not yet.

    A new customer does where customers are kept in step; an old one when something happens in his jobs or
    estimates, where those are. That his address was corrected is no reason to make him a contact.
    """
    types: set[str] = set()
    if settings.auto_sync_customers:
        types |= _NEW_CUSTOMER
    if settings.auto_sync_jobs:
        types |= set(_WORK)
    if settings.auto_sync_estimates:
        types |= set(_SALES)
    return frozenset(types)


class Marker:
    """Marks customers of one database under *lease*.

    Each look moves a place in the events or in the change log forward, in the same transaction that marks
    the customers, so a process that ends in between has neither lost nor doubled anything.
    """

    def __init__(
        self, db: Database, *, lease: Lease, settings: Callable[[], CrmSettings], dry_run: bool
    ) -> None:
        """*dry_run* is what the configuration says; a person's switch may say otherwise."""
        self._db = db
        self._lease = lease
        self._settings = settings
        self._dry_run = dry_run

    async def begin(self) -> bool:
        """Remember since when GoHighLevel is enabled here; return whether that is now."""
        async with self._db.transaction() as connection:
            await self._lease.fence(connection)
            return (await connection.execute(_SQL["begin_progress"])).endswith("1")

    async def look_at_events(self) -> list[Record]:
        """Mark whomever an event since the last look was about; return whom, as far as they fit one look."""
        while True:
            if self._lease.lost:
                raise LeaseLost(self._lease.lost)
            types = admitting(self._settings())
            rows = await self._db.fetch(
                _SQL["look_at_events"], self._lease.name, self._lease.term, _AT_ONCE, types, self._dry_run
            )
            if not rows:
                self._lease.lose(f"lease {self._lease.name}: another process has taken it over")
                raise LeaseLost(self._lease.lost)
            if rows[0]["events"] < _AT_ONCE:
                return [row for row in rows if row["customer_id"] is not None]

    async def look_at_changes(self) -> None:
        """Mark those who take part and of whom any row was written since the last look."""
        async with self._db.transaction() as connection:
            await self._lease.fence(connection)
            place = await connection.fetchrow(_SQL["progress"])
            assert place is not None
            until = await connection.fetchval(_SQL["newest_change"], place["changes_until"])
            if until is not None:
                await connection.execute(_SQL["mark_changed"], place["changes_until"], until)
                await connection.execute(_SQL["move_changes_until"], until)
            await connection.execute(_SQL["mark_due"])

    async def look_at_held(self) -> None:
        """Mark those of whom something waited for a person, who may have acted."""
        async with self._db.transaction() as connection:
            await self._lease.fence(connection)
            await connection.execute(_SQL["mark_held"])

    async def take_in(
        self, customer_ids: Iterable[int], *, cause: str, backfill_since: datetime | None = None
    ) -> None:
        """Have these customers take part, whatever the switches say, and be considered soon."""
        ids = list(customer_ids)
        async with self._db.transaction() as connection:
            await self._lease.fence(connection)
            await connection.execute(_SQL["take_in"], ids, cause, backfill_since)
            await connection.execute(_SQL["mark"], ids, [cause] * len(ids), [None] * len(ids))
