"""The record of what was tried to heal: `automation.remedies`, and memory while the database is away."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pcd.db import queries
from pcd.errors import StoreError
from pcd.health.remedy import Past, Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.clock import Clock
    from pcd.db.leases import Lease
    from pcd.db.pool import Database
    from pcd.health.remedy import Remedy

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.health")
_WITHIN = timedelta(seconds=5)
_LOOK_BACK = timedelta(hours=12)
_REMEMBERED = 200


class Ledger:
    """What was tried, written down as tried by *holder*.

    Under a *lease* an entry is written only while it holds: else LeaseLost is raised. What is healed under it
    is common to all daemons, so what any of them tried counts; without one each counts its own.
    """

    def __init__(
        self, db: Callable[[], Database], *, clock: Clock, holder: str, lease: Lease | None = None
    ) -> None:
        self._db = db
        self._clock = clock
        self._holder = holder
        self._lease = lease
        self._unwritten: list[Past] = []

    async def history(self) -> list[Past]:
        """Return what was tried in the last hours, the oldest first, as far as it can be known."""
        try:
            whose = self._holder if self._lease is None else None
            rows = await self._db().fetch(_SQL["remedies"], _LOOK_BACK, whose, timeout=_WITHIN)
        except StoreError:
            return list(self._unwritten)
        known = [Past(**{**dict(row), "result": Result(row["result"])}) for row in rows]
        return sorted([*known, *self._unwritten], key=lambda past: past.at)

    async def begin(
        self, remedy: Remedy, *, check: str, subject: str, reason: str, decided_by: str, result: Result
    ) -> int | None:
        """Remember that *remedy* is about to be tried, and return the entry's id; None without a database.

        Raises LeaseLost when another daemon heals by now.
        """
        values = (remedy.name, check, subject, reason, result.value, decided_by, self._holder)
        try:
            async with self._db().transaction(timeout=_WITHIN) as connection:
                if self._lease is not None:
                    await self._lease.fence(connection)
                number: int = await connection.fetchval(_SQL["begin_remedy"], *values)
                return number
        except StoreError as error:
            _log.warning("health: %s is not recorded: %s", remedy.name, error)
            past = Past(remedy=remedy.name, check=check, subject=subject, at=self._clock.now(), result=result)
            self._unwritten = [*self._unwritten, past][-_REMEMBERED:]
            return None

    async def end(self, number: int | None, result: Result, *, detail: str) -> None:
        """Remember what came of it."""
        if number is None:
            return
        try:
            await self._db().execute(_SQL["end_remedy"], number, result.value, detail[:500], timeout=_WITHIN)
        except StoreError as error:
            _log.warning("health: what came of remedy %d is not recorded: %s", number, error)


async def recent(db: Database, *, limit: int = 20) -> list[dict[str, Any]]:
    """Return the newest remedies for people; none while the database does not answer."""
    try:
        rows = await db.fetch(_SQL["recent_remedies"], limit, timeout=_WITHIN)
    except StoreError:
        return []
    return [dict(row) for row in rows]
