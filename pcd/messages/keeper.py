"""Looks after the record of messages: claims that nobody will answer, and the templates of a new database."""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn

import anyio
import msgspec

from pcd.db import queries
from pcd.messages.template import SEEDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.db.pool import Database

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.messages")

STALE: Final = timedelta(minutes=10)
"""A claim this old belongs to a process that died; an answer that comes all the same is still recorded."""

KEPT: Final = timedelta(days=90)
"""How long it is kept what agents were asked and answered: customers' data stands in it."""

_INTERVAL = 60.0


class Keeper:
    """A service: parks stale claims, so that a person sees them without anybody trying the step again.

    It also forgets what agents were asked long ago.
    """

    name = "message keeper"

    def __init__(self, db: Database, *, clock: Clock, jitter: Callable[[], float] = random.random) -> None:
        self._db = db
        self._clock = clock
        self._jitter = jitter

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> NoReturn:
        """Run until cancelled; raises StoreError when the database cannot."""
        await seed(self._db)
        await self.tidy()
        task_status.started()
        while True:
            await anyio.sleep(_INTERVAL * (0.9 + self._jitter() / 5))
            await self.tidy()

    async def tidy(self) -> None:
        """Park what was never answered, and forget what is older than KEPT."""
        await self.park_stale()
        await self._db.execute(_SQL["forget_answers"], self._clock.now() - KEPT)

    async def park_stale(self) -> int:
        """Park the claims that were never answered, and return how many."""
        rows = await self._db.fetch(_SQL["park_stale"], self._clock.now() - STALE)
        if rows:
            _log.warning(
                "%d messages were never answered; they are parked: `pcd messages parked` lists them",
                len(rows),
            )
        return len(rows)


async def seed(db: Database) -> int:
    """Write the templates of the old system if there is none at all, and return how many."""
    if await db.fetchval(_SQL["has_templates"]):
        return 0
    for one in SEEDS:
        required = msgspec.json.encode(one.required).decode()
        await db.execute(
            _SQL["seed_template"], one.name, one.description, "sms", one.body, required, one.category
        )
    return len(SEEDS)
