"""Stops all sending while GoHighLevel refuses us as a whole, and says so once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pcd.db import queries
from pcd.errors import Forbidden, Unauthorized, WrongPlace

if TYPE_CHECKING:
    from pcd.db.pool import Database
    from pcd.errors import PcdError

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.crm")


def opens(error: PcdError) -> bool:
    """Whether *error* means that no other call of ours would fare better until a person acts."""
    return isinstance(error, (Unauthorized, Forbidden, WrongPlace))


class Breaker:
    """Open while the token, its scopes or the subaccount are wrong. What stands in the database outlives us.

    *reason* says what is wrong and what to do, ``""`` while it is closed.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self.reason = ""

    async def recall(self) -> None:
        """Read how it stood when the last process ended."""
        self.reason = await self._db.fetchval(_SQL["breaker"]) or ""

    async def open(self, error: PcdError) -> None:
        """Stop sending because of *error*; told once."""
        if self.reason != str(error):
            _log.error("ghl: nothing is sent any more: %s", error)
        self.reason = str(error)
        await self._db.execute(_SQL["open_breaker"], self.reason[:1000])

    async def close(self) -> None:
        """Send again."""
        if self.reason:
            _log.warning("ghl: GoHighLevel accepts us again; sending goes on")
        self.reason = ""
        await self._db.execute(_SQL["close_breaker"])
