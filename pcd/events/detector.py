"""Keeps a recorder at work: with a connection of its own, and partitions to record into."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn
from zoneinfo import ZoneInfo

import anyio

from pcd.changes import keeper
from pcd.db import partitions
from pcd.db.partitions import Partitioned, Span
from pcd.db.pool import Database
from pcd.errors import StoreError
from pcd.events.channels import Channels
from pcd.events.event import Surroundings
from pcd.events.reader import Reader
from pcd.events.recorder import SESSION, Recorder, Settings, fitted
from pcd.events.replayer import Replayer
from pcd.events.rules import RULES
from pcd.events.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskStatus

    from pcd.changes.change import Change
    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.db.leases import Lease
    from pcd.events.event import Follower, Recorded
    from pcd.events.replayer import Replay, Request
    from pcd.events.retrier import Retried

log = logging.getLogger(__name__)

RETENTION = timedelta(days=400)
EVENTS = Partitioned(
    schema="automation", table="events", column="detected_at", span=Span.MONTH, ahead=2, keep=RETENTION
)
"""The event log: dropped by months after a good year. What was told is remembered for ever all the same."""

CONNECTIONS: Final = 3
"""Two to record with, one for partitions meanwhile."""

_KEEP_EVERY = timedelta(hours=6)


def settings_of(config: Config) -> Settings:
    """Return how *config* wants facts to be judged."""
    return Settings(
        surroundings=Surroundings(
            install_names=config.events.install_business_units, zone=ZoneInfo(config.daemon.timezone)
        ),
        max_age=config.events.max_age,
        poll_interval=config.events.poll_interval,
    )


@asynccontextmanager
async def recording(
    url: str, *, lease: Lease, settings: Settings, clock: Clock, follower: Follower | None = None
) -> AsyncGenerator[Recorder]:
    """Hold a recorder that is ready, for a command while no daemon runs."""
    db = await Database.connect(url, pool_size=CONNECTIONS, application_name="pcd events", settings=SESSION)
    try:
        recorder = Recorder(
            db, lease=lease, settings=settings, channels=Channels(), clock=clock, follower=follower
        )
        await recorder.prepare()
        yield recorder
    finally:
        await db.close()


async def preview(db: Database, request: Request, *, settings: Settings, clock: Clock) -> Replay:
    """Return what a replay would record, and keep nothing of it. Needs no lease."""
    reader = Reader(RULES, surroundings=settings.surroundings, clock=clock)
    await reader.refresh(db)
    max_age = None if request.release else settings.max_age
    writer = Writer(db, None, await fitted(db, RULES), max_age=max_age)
    return await Replayer(db, writer, rules=RULES, situation=reader.fixed).preview(request)


class Detector:
    """A service: detects events under *lease* until it is cancelled.

    *connected* holds connections of its own, `CONNECTIONS` with `SESSION`; *channels* and *observe* hear
    what was recorded; *follower* does what follows from it, in the same transaction.
    """

    name = "events"

    def __init__(  # noqa: PLR0913 - one keyword each for what it works with
        self,
        connected: Callable[[], AbstractAsyncContextManager[Database]],
        *,
        lease: Lease,
        settings: Settings,
        channels: Channels,
        clock: Clock,
        observe: Callable[[Sequence[Recorded], Sequence[Change]], None] = lambda _events, _changes: None,
        follower: Follower | None = None,
    ) -> None:
        self._connected = connected
        self._lease = lease
        self._settings = settings
        self._channels = channels
        self._clock = clock
        self._observe = observe
        self._follower = follower
        self._recorder: Recorder | None = None

    def wake(self) -> None:
        """Look into the outbox soon."""
        if self._recorder is not None:
            self._recorder.wake()

    async def retry(self) -> Retried:
        """Apply halted rules to what they missed, and judge parked rows again."""
        return await self._at_work().retry()

    async def replay(self, request: Request) -> Replay:
        """Derive events again and record those that are new."""
        return await self._at_work().replay(request)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Detect until cancelled. Raises StoreError, and LeaseLost when another process took over."""
        async with self._connected() as db:
            await self._keep_partitions(db)
            self._recorder = Recorder(
                db,
                lease=self._lease,
                settings=self._settings,
                channels=self._channels,
                clock=self._clock,
                observe=self._observe,
                follower=self._follower,
            )
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._keep_house, db)
                    await self._recorder.run(task_status=task_status)
            finally:
                self._recorder = None

    async def _keep_house(self, db: Database) -> NoReturn:
        while True:
            await anyio.sleep(_KEEP_EVERY.total_seconds())
            await self._keep_partitions(db)

    async def _keep_partitions(self, db: Database) -> None:
        try:
            await partitions.keep_now(db, EVENTS)
            await keeper.keep_log(db)
        except StoreError as error:
            # Rows of a time without a partition go to the default one, so there is no hurry.
            log.warning("events: partitions are left as they are for now (%s)", error)

    def _at_work(self) -> Recorder:
        if self._recorder is None:
            raise StoreError("events are not being recorded just now; see `pcd status`")
        return self._recorder
