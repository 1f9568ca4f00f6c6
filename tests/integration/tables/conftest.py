"""A migrated database with a short way to put records into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio
from support.rows import Rows

from pcd.tables import catalogue

if TYPE_CHECKING:
    from pcd.db.pool import Database


@pytest_asyncio.fixture
async def rows(db: Database) -> Rows:
    """Return a way to put records into a migrated database."""
    async with db.transaction() as connection:
        return Rows(db, await catalogue.read(connection))
