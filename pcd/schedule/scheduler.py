"""Does what is due by the clock, each schedule in its own time and never twice at once."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import aiocron
import anyio

from pcd.db import queries
from pcd.errors import LeaseLost, PcdError
from pcd.schedule.due import Due, NotYet, Schedule, decide, lies_ahead

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.db.pool import Database

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.schedule")

Job: TypeAlias = "Callable[[], Awaitable[str]]"

# aiocron anchors the wall clock to the loop's clock once; a look each minute notices a clock that was set.
_LONGEST_NAP = 60.0
_JITTER = 1.0
_STARTED, _RESTARTED = "started", "restarted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is remembered about a schedule: *outcome* is a job's own word, or that it was begun."""

    fired_at: datetime | None = None
    outcome: str = ""


class Scheduler:
    """A service: runs *jobs*, each under its schedule, with their state in PostgreSQL.

    What was missed while nobody ran is done once, and so is a job that the end of its process interrupted. A
    job returns its outcome in a word; one that fails is logged and comes again when it is due.
    """

    name = "schedule"

    def __init__(
        self,
        db: Database,
        *,
        jobs: Mapping[Schedule, Job],
        zone: ZoneInfo,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Evaluate cron lines in *zone*; *jitter* in [0, 1) seconds keeps tickers from firing in step."""
        self._db = db
        self._jobs = jobs
        self._zone = zone
        self._clock = clock
        self._jitter = jitter

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Fire until cancelled."""
        async with anyio.create_task_group() as group:
            for schedule, job in self._jobs.items():
                entry = await self._recall(schedule)
                group.start_soon(self._follow, schedule, job, entry, name=f"schedule {schedule.name}")
            task_status.started()

    async def _follow(self, schedule: Schedule, job: Job, entry: Entry) -> None:
        if entry.outcome == _STARTED:
            _log.info("schedule: %s was interrupted, running it again", schedule.name)
            entry = await self._fire(schedule, job, word=_RESTARTED)
        while True:
            now = self._clock.now()
            match decide(schedule, fired_at=entry.fired_at, now=now, zone=self._zone):
                case Due(at=at, is_late=is_late):
                    if is_late:
                        _log.info("schedule: %s was due %s, running it now", schedule.name, self._say(at))
                    entry = await self._fire(schedule, job, word=_STARTED)
                case NotYet():
                    if entry.fired_at is None or lies_ahead(entry.fired_at, now=now):
                        entry = await self._register(schedule)
                    await self._tick(schedule)

    async def _tick(self, schedule: Schedule) -> None:
        """Sleep until the cron line fires, a minute at most."""
        cron = aiocron.Cron(schedule.cron, tz=self._zone)
        try:
            with anyio.move_on_after(_LONGEST_NAP) as nap:
                await cron.next()
        finally:
            cron.stop()
        if not nap.cancelled_caught:
            await anyio.sleep(self._jitter() * _JITTER)

    async def _fire(self, schedule: Schedule, job: Job, *, word: str) -> Entry:
        fired_at = self._clock.now()
        await self._db.execute(_SQL["begin"], schedule.name, fired_at, word)
        try:
            outcome = await job()
        except LeaseLost:
            raise
        except PcdError as error:
            _log.warning("schedule: %s failed: %s", schedule.name, error)
            outcome = f"failed: {error}"[:500]
        await self._db.execute(_SQL["end"], schedule.name, outcome)
        return Entry(fired_at=fired_at, outcome=outcome)

    async def _register(self, schedule: Schedule) -> Entry:
        """Remember since when a schedule waits, so that its next time can be missed and caught up."""
        since = self._clock.now()
        await self._db.execute(_SQL["register"], schedule.name, since)
        return Entry(fired_at=since)

    async def _recall(self, schedule: Schedule) -> Entry:
        row = await self._db.fetchrow(_SQL["recall"], schedule.name)
        return Entry(fired_at=row["last_due_at"], outcome=row["last_outcome"] or "") if row else Entry()

    def _say(self, at: datetime) -> str:
        return at.astimezone(self._zone).strftime("%a %H:%M")
