"""Forgets instances that ended long ago, with the records of their steps; dead letters stay."""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

    from pcd.workflows.store import Store

_log = logging.getLogger(__name__)

KEPT = timedelta(days=400)
"""As long as the events that they were started by."""

_EVERY = timedelta(hours=6)
_AT_ONCE = 1000


class Pruner:
    """A service: prunes a few times a day what ended more than *kept* ago."""

    name = "pruner"

    def __init__(
        self, store: Store, *, kept: timedelta = KEPT, chance: Callable[[], float] = random.random
    ) -> None:
        self._store = store
        self._kept = kept
        self._chance = chance

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> NoReturn:
        """Prune until cancelled. Raises StoreError."""
        task_status.started()
        while True:
            if gone := await self.prune():
                _log.info("workflows: %d instances of long ago are forgotten", gone)
            await anyio.sleep(_EVERY.total_seconds() * (1 + self._chance() / 4))

    async def prune(self) -> int:
        """Forget what ended too long ago, in small transactions; return how many instances that was."""
        gone = 0
        while batch := await self._store.prune(self._kept, _AT_ONCE):
            gone += batch
        return gone
