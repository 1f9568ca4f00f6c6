"""Returns what dead processes held, and forgets what ended long ago. Several of them do no harm."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, NoReturn

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from anyio.abc import TaskStatus

    from pcd.workflows.store import Rescued, Store

_log = logging.getLogger(__name__)
_AT_ONCE = 500
_SOON = 0.05


class Rescuer:
    """A service: looks for leases that ran out, when the first one may have and every *check_interval*.

    *wake* is called when there is something to take up again; *observe* hears what was rescued.
    """

    name = "rescuer"

    def __init__(
        self,
        store: Store,
        *,
        check_interval: timedelta,
        wake: Callable[[], None],
        chance: Callable[[], float] = random.random,
        observe: Callable[[Sequence[Rescued]], None] = lambda _rescued: None,
    ) -> None:
        self._store = store
        self._check_interval = check_interval
        self._wake = wake
        self._chance = chance
        self._observe = observe

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> NoReturn:
        """Rescue until cancelled. Raises StoreError."""
        await self.rescue()
        task_status.started()
        while True:
            seconds = await self._store.next_expiry()
            most = self._check_interval.total_seconds()
            pause = most if seconds is None else min(max(seconds, _SOON), most)
            await anyio.sleep(pause * (1 + self._chance() / 10))
            await self.rescue()

    async def rescue(self) -> list[Rescued]:
        """Return everything whose lease has run out; what was begun too often becomes a dead letter."""
        rescued: list[Rescued] = []
        while batch := await self._store.rescue(_AT_ONCE):
            rescued += batch
        for one in rescued:
            what = "is a dead letter now: it was begun too often" if one.is_spent else "is tried again"
            _log.warning("workflows: instance %s was left by %s and %s", one.id, one.holder, what)
        if rescued:
            self._wake()
            self._observe(rescued)
        return rescued
