"""A pusher to a simulated GoHighLevel that runs in a process of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import aiohttp
import anyio
import psutil
from support.selling import LIMITLESS, config_file

from pcd.clock import Clock
from pcd.config import load
from pcd.crm.clerk import Clerk
from pcd.crm.patroller import Patroller
from pcd.crm.premises import Premises
from pcd.crm.watcher import Watcher
from pcd.crm.works import SESSION, Works
from pcd.db.leases import Leaser
from pcd.db.pool import Database
from pcd.ghl.client import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How far a push had come after so many *seconds*: calls, and what the process took for them."""

    seconds: float
    calls: int
    memory: int
    cpu_seconds: float


@dataclass(slots=True)
class Pusher:
    """What keeps the simulated GoHighLevel at *url* in step with *db*."""

    db: Database
    url: str
    works: Works
    patroller: Patroller

    @property
    def clerk(self) -> Clerk:
        """What does as a person asks."""
        return Clerk(self.works, self.patroller)

    async def state(self) -> dict[str, Any]:
        """Return what the simulator says of itself: ``calls``, ``writes``, ``records`` ..."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/_sim/state") as response:
            found: dict[str, Any] = await response.json()
            return found

    async def push(self, calls: int) -> list[Reached]:
        """Do what the services do until so many *calls* were made; return how it was at each quarter."""
        tally, process = self.works.client.caller.tally, psutil.Process()
        first, began, marks = tally.requests, anyio.current_time(), [0.0, 0.25, 0.5, 0.75, 1.0]
        reached: list[Reached] = []
        watcher = Watcher(marker=self.works.marker, reconciler=self.works.reconciler, lanes=self.works.lanes)
        async with anyio.create_task_group() as tasks:
            for service in (watcher, self.works.sender):
                await tasks.start(
                    lambda *, task_status, service=service: service.run(task_status=task_status)
                )
            while marks:
                done = tally.requests - first
                if done >= marks[0] * calls:
                    marks.pop(0)
                    now = process.cpu_times()
                    reached.append(
                        Reached(
                            seconds=anyio.current_time() - began,
                            calls=done,
                            memory=process.memory_info().rss,
                            cpu_seconds=now.user + now.system,
                        )
                    )
                await anyio.sleep(0.05)
            await self.works.sender.drain()
            tasks.cancel_scope.cancel()
        return reached

    async def once_more(self) -> int:
        """Consider everybody who takes part once more; return how many calls that led to."""
        before: int = (await self.state())["calls"]
        ids = [row["customer_id"] for row in await self.db.fetch("SELECT customer_id FROM pcd.crm_customers")]
        await self.works.marker.take_in(ids, cause="bench")
        await self.works.reconciler.drain()
        await self.works.sender.empty()
        calls: int = (await self.state())["calls"]
        return calls - before


@asynccontextmanager
async def pushing(
    db: Database, url: str, folder: Path, *, requests_per_10s: int, pulled: bool
) -> AsyncIterator[Pusher]:
    """Yield a pusher to the subaccount at *url*; *pulled*: what stands there was copied."""
    keys = {
        "enabled": True,
        "api_url": url,
        "token": LIMITLESS.token,
        "location_id": LIMITLESS.location_id,
        "auto_sync_customers": True,
        "auto_sync_jobs": True,
        "auto_sync_estimates": True,
        "requests_per_10s": requests_per_10s,
    }
    config, clock = load(config_file(folder, keys), {}), Clock()
    fast = await Database.connect(db.url, pool_size=8, settings=SESSION)
    leaser = Leaser(db, holder="bench", ttl=timedelta(seconds=30), clock=clock)
    async with (
        connect(config.ghl, clock=clock) as client,
        leaser.hold("ghl", wait=timedelta(seconds=5)) as lease,
    ):
        premises = Premises(config, clock=clock)
        works = Works(config, fast, client, lease=lease, premises=premises, clock=clock, is_durable=False)
        await works.marker.begin()
        if pulled:
            await works.puller.account()
            await works.puller.pull(full=True, by="bench")
        await premises.refresh(db)
        yield Pusher(db, url, works, Patroller(works, config=config.ghl, zone=ZoneInfo("UTC"), clock=clock))
    await fast.close()
