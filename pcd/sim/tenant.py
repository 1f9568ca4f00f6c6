"""A whole simulated tenant: a company with a past, that lives on, served over HTTP."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from pcd.sim.clock import SimClock
from pcd.sim.company import found
from pcd.sim.life import PACE, Life
from pcd.sim.server import Simulator, serve
from pcd.sim.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pcd.sim.faults import Faults
    from pcd.sim.settings import SimSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A simulator that serves a company, and where."""

    url: str
    simulator: Simulator


@asynccontextmanager
async def open_tenant(
    *,
    seed: int = 1,
    customers: int = 2000,
    pace: float = PACE,
    faults: Faults | None = None,
    settings: SimSettings | None = None,
    port: int = 0,
) -> AsyncIterator[Tenant]:
    """Found a company from *seed*, serve it on loopback and let it live on until the block is left.

    The clock shows real time; *pace* is how much of the company's life fits into it, 0 for none.
    Raises OSError when *port* is taken. Founding takes about 3 ms a customer.
    """
    clock = SimClock()
    store = Store(clock=clock)
    invent = partial(found, store, seed=seed, customers=customers, now=clock.now())
    await anyio.to_thread.run_sync(invent, abandon_on_cancel=True)
    simulator = Simulator(store, settings=settings, faults=faults)
    async with serve(simulator, port=port) as url, anyio.create_task_group() as group:
        if pace:
            await group.start(Life(store, clock, seed=seed, pace=pace).run)
        yield Tenant(url=url, simulator=simulator)
        group.cancel_scope.cancel()
