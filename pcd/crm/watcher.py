"""Considers customers as soon as something happens to them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, NoReturn

import anyio

if TYPE_CHECKING:
    from anyio.abc import TaskStatus
    from anyio.streams.memory import MemoryObjectReceiveStream

    from pcd.crm.lanes import Lanes
    from pcd.crm.marker import Marker
    from pcd.crm.reconciler import Reconciler
    from pcd.events.channels import Channels
    from pcd.events.event import Recorded

_LOOK_EVERY = 2.0
# What was just owed goes out before anything else is asked.
_GIVE_WAY = 0.003


class Watcher:
    """A service: follows the events of *channels*, and considers whomever they are about.

    A channel only wakes; what happened stands in the database, and is looked at every two seconds without
    being woken, for the events may be recorded by another process.
    """

    name = "ghl reconciler"

    def __init__(
        self,
        *,
        marker: Marker,
        reconciler: Reconciler,
        lanes: Lanes,
        channels: Channels | None = None,
    ) -> None:
        self._marker = marker
        self._reconciler = reconciler
        self._lanes = lanes
        self._channels = channels

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Consider until cancelled. Raises StoreError, and LeaseLost when another process took over."""
        subscription = self._channels.subscribe() if self._channels is not None else nullcontext()
        with subscription as stream:
            async with anyio.create_task_group() as group:
                if stream is not None:
                    group.start_soon(self._hear, stream)
                task_status.started()
                await self._consider()

    async def _hear(self, stream: MemoryObjectReceiveStream[Recorded]) -> None:
        async for _ in stream:
            self._lanes.tell_dirty()

    async def _consider(self) -> NoReturn:
        while True:
            done = await self._reconciler.consider(await self._marker.look_at_events())
            if done.customers:
                await anyio.sleep(_GIVE_WAY)
            # One batch of whoever else waits, and what happened meanwhile goes before the next.
            if not (await self._reconciler.step()).customers:
                await self._lanes.wait_dirty(_LOOK_EVERY)
