from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio
from support.messaging import Messaging, messaging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pcd.db.pool import Database


@pytest_asyncio.fixture
async def desk(db: Database, tmp_path: Path) -> AsyncIterator[Messaging]:
    """Yield a company that is live."""
    async with messaging(db, tmp_path) as found:
        yield found
