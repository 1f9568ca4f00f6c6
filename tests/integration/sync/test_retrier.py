"""A database that goes away for a moment, as the sync sees it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.mirroring import HurriedClock
from support.proxy import Proxy

from pcd.db.pool import Database
from pcd.errors import DataRejected, StoreUnreachable, StoreUnusable
from pcd.sync.retrier import Retrier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.asyncio

PATIENCE = 36.3


class Outage:
    """A database that can be cut off, and how it was waited for. It is back after *mends_after* waits."""

    def __init__(self, db: Database, proxy: Proxy) -> None:
        self.proxy = proxy
        self.clock = HurriedClock()
        self.waits: list[float] = []
        self.mends_after = 100
        self.retrier = Retrier(db, clock=self.clock, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) == self.mends_after:
            self.proxy.mend()
        await self.clock.sleep(seconds)


@asynccontextmanager
async def outages(database_url: str) -> AsyncGenerator[Outage]:
    async with Proxy(database_url).serve() as proxy:
        db = await Database.connect(proxy.url, pool_size=2, wait=timedelta(seconds=5))
        yield Outage(db, proxy)
        await db.close()


async def test_what_fails_is_repeated_until_the_server_is_back(database_url: str) -> None:
    async with outages(database_url) as outage:
        await outage.proxy.cut()
        outage.mends_after = 2
        assert await outage.retrier.fetchval("SELECT 1") == 1
        assert outage.waits == [0.3, 0.9]
        await outage.proxy.cut()
        outage.mends_after = 3
        assert await outage.retrier.transact(lambda connection: connection.fetchval("SELECT 2")) == 2


async def test_a_server_that_stays_away_is_waited_for_once_by_everybody_together(database_url: str) -> None:
    """Otherwise each of thirty resources would wait for half a minute, one after the other."""
    async with outages(database_url) as outage:
        await outage.proxy.cut()
        with pytest.raises(StoreUnreachable):
            await outage.retrier.execute("SELECT 1")
        assert sum(outage.waits) == pytest.approx(PATIENCE)
        outage.waits.clear()
        with pytest.raises(StoreUnreachable):
            await outage.retrier.execute("SELECT 1")
        assert outage.waits == []
        outage.proxy.mend()
        assert await outage.retrier.execute("SELECT 1") == "SELECT 1"
        await outage.proxy.cut()
        outage.mends_after = 1
        assert await outage.retrier.execute("SELECT 1") == "SELECT 1"


async def test_what_only_a_person_can_mend_is_not_repeated(database_url: str) -> None:
    async with outages(database_url) as outage:
        with pytest.raises(DataRejected):
            await outage.retrier.execute("SELECT 1 / 0")
        with pytest.raises(StoreUnusable, match="a table is missing"):
            await outage.retrier.fetch("SELECT FROM nowhere")
        assert outage.waits == []
