"""Keeps an app's sealed grant in the database, so that every process renews the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.db import queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.db.pool import Database

_SQL = queries.load("pcd.crm")


class StoredGrant:
    """The grant of one database."""

    def __init__(self, db: Callable[[], Database]) -> None:
        self._db = db

    async def load(self) -> bytes | None:
        """Return what was saved last; None before the first time."""
        found: bytes | None = await self._db().fetchval(_SQL["grant"])
        return found

    async def save(self, sealed: bytes) -> None:
        """Keep *sealed* instead of what was there."""
        await self._db().execute(_SQL["store_grant"], sealed)
