"""A migrated database for one measurement."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from pcd.db.migrate import migrate
from pcd.db.pool import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def database(admin: str, name: str) -> AsyncIterator[Database]:
    """Yield a new, migrated database *name* on the server of *admin*; it is dropped afterwards."""
    await _administer(admin, f"CREATE DATABASE {name}")
    try:
        db = await Database.connect(urlunsplit(urlsplit(admin)._replace(path=f"/{name}")), pool_size=6)
        try:
            await migrate(db)
            yield db
        finally:
            await db.close()
    finally:
        await _administer(admin, f"DROP DATABASE {name} WITH (FORCE)")


async def _administer(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()
