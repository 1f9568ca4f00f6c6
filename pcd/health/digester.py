"""Gathers what the office wants to know each morning, and says it by the channels of the alerts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio

from pcd.crm.switch import Switch
from pcd.db import queries
from pcd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.db.pool import Database

_SQL = queries.load("pcd.health")
_WITHIN = timedelta(seconds=20)
_DAY = timedelta(days=1)
_HEALED = 50
_KEPT_SECONDS = 20.0
_ONLOOKER_WAITS = 4.0


async def gather(db: Database, *, until: datetime) -> dict[str, Any]:
    """Return what happened within the day before *until*, as JSON values: counts only, no customer's data."""
    since = until - _DAY

    async def rows(name: str, *args: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await db.fetch(_SQL[name], *args, timeout=_WITHIN)]

    healed = await rows("recent_remedies", _HEALED)
    return {
        "since": since,
        "until": until,
        "syncs": await rows("digest_syncs", since),
        "events": await rows("digest_events", since),
        "messages": await rows("digest_messages", since),
        "calls": await rows("digest_calls", since),
        "workflows": await rows("digest_workflows", since),
        "person": await rows("digest_person", since),
        "remedies": [each for each in healed if each["started_at"] >= since],
    }


class LastDay:
    """What `gather` tells of the last day, for onlookers: kept for a while, however many there are."""

    def __init__(self, config: Config, *, db: Callable[[], Database], clock: Clock) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._lock = anyio.Lock()
        self._found: dict[str, Any] | None = None
        self._read_at = float("-inf")

    async def read(self) -> dict[str, Any] | None:
        """Return it, and what is switched on; None while the database does not answer."""
        async with self._lock:
            if self._clock.monotonic() - self._read_at >= _KEPT_SECONDS:
                try:
                    with anyio.fail_after(_ONLOOKER_WAITS):
                        self._found = await self._read(self._db())
                except (StoreError, TimeoutError):
                    self._found = None
                self._read_at = self._clock.monotonic()
            return self._found

    async def _read(self, db: Database) -> dict[str, Any]:
        modes = {
            "ghl": (await Switch(self._config.ghl).mode(db)).value,
            "messages": self._config.messaging.mode,
        }
        return {**await gather(db, until=self._clock.now()), "modes": modes}
