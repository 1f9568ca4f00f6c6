"""Finds by the clock what no event told: the five-minute pass, the install check, the look at their side."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn

import anyio

from pcd.crm.journal import interrupted, logged_type, passing
from pcd.crm.switch import Mode
from pcd.db import queries
from pcd.errors import UpstreamError
from pcd.schedule.due import Schedule
from pcd.schedule.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.config import GhlConfig
    from pcd.crm.works import Works

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.crm")

KEEP: Final = timedelta(days=90)
"""How long calls that were answered are remembered."""

_DEALS_EVERY = timedelta(hours=1)
_ALL_EVERY = timedelta(days=1)
_JITTER = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What a pass came to."""

    customers: int
    created: int
    updated: int
    parked: int


class Patroller:
    """A service: begins when GoHighLevel is enabled for the first time, then passes by the clock."""

    name = "ghl passes"

    def __init__(
        self,
        works: Works,
        *,
        config: GhlConfig,
        zone: ZoneInfo,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._works = works
        self._config = config
        self._zone = zone
        self._clock = clock
        self._jitter = jitter
        self._missing: tuple[str, ...] = ()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Pass until cancelled. Raises StoreError, and LeaseLost when another process took over."""
        try:
            await self.open()
            await self._run(task_status)
        finally:
            self._works.gate.close("GoHighLevel is not looked at")

    async def open(self) -> None:
        """Remember since when GoHighLevel is enabled, and learn what stands there."""
        works = self._works
        await interrupted(works.db)
        if await works.mode() is not Mode.OFF:
            await works.marker.begin()
        await works.premises.refresh(works.db)
        if not works.premises.was_pulled:
            await self.look_there()
        works.gate.open()

    async def _run(self, task_status: TaskStatus[None]) -> None:
        schedule = Schedule(name="ghl", cron=self._config.cron, key="ghl.cron")
        scheduler = Scheduler(
            self._works.db,
            jobs={schedule: self._pass},
            zone=self._zone,
            clock=self._clock,
            jitter=self._jitter,
        )
        async with anyio.create_task_group() as group:
            await group.start(lambda *, task_status: scheduler.run(task_status=task_status))
            group.start_soon(self._check_installs)
            task_status.started()

    async def _pass(self) -> str:
        await self.look_there()
        await self.reconcile(by="schedule")
        await self._works.db.execute(_SQL["prune_calls"], KEEP)
        return "completed"

    async def look_there(self) -> None:
        """Copy what changed on their side; when they cannot be asked, the pass goes on without."""
        try:
            await self._works.premises.refresh(self._works.db)
            await self._copy()
        except UpstreamError as error:
            _log.warning("ghl: what stands there could not be copied: %s", error)
            await self._works.doubt(error)
        await self._works.premises.refresh(self._works.db)
        self._tell_missing()

    def _tell_missing(self) -> None:
        """Say once which stages are gone, and that they are back."""
        missing = self._works.premises.missing
        if missing and missing != self._missing:
            _log.error(
                "ghl: GoHighLevel has no stage %s: what should stand there waits, everything else goes on; "
                "`pcd ghl check` tells what to do",
                ", ".join(missing),
            )
        elif self._missing and not missing:
            _log.info("ghl: every configured stage is there again")
        self._missing = missing

    async def _copy(self) -> None:
        works, now = self._works, self._clock.now()
        deals, people = works.premises.pulls.get("opportunities"), works.premises.pulls.get("contacts")
        if deals is None or now - deals.pulled_at >= _DEALS_EVERY or works.premises.missing:
            await works.puller.account()
        last = people.full_completed_at if people is not None else None
        is_full = last is None or now - last >= _ALL_EVERY
        await works.puller.contacts(full=is_full, by="schedule")
        if is_full or deals is None or now - deals.pulled_at >= _DEALS_EVERY:
            await works.puller.opportunities(full=True, by="schedule")

    async def reconcile(self, *, by: str) -> Passed:
        """Consider everybody of whom anything changed since the last pass."""
        mode = await self._works.mode()
        async with passing(
            self._works.db, logged_type("incremental", mode), direction="st_to_ghl", by=by
        ) as tally:
            if mode is not Mode.OFF:
                await self._works.marker.look_at_events()
                await self._works.marker.look_at_changes()
                await self._works.marker.look_at_held()
            done = await self._works.reconciler.drain()
            tally.fetched, tally.created = done.customers, done.created
            tally.updated, tally.failed = done.updated, done.parked
        return Passed(
            customers=done.customers, created=done.created, updated=done.updated, parked=done.parked
        )

    async def _check_installs(self) -> NoReturn:
        while True:
            pause = self._config.install_check_interval.total_seconds()
            await anyio.sleep(pause + self._jitter() * min(_JITTER, pause / 10))
            await self.check_installs()

    async def check_installs(self) -> None:
        """Consider those of whom a row changed and who have an install job."""
        works, mode = self._works, await self._works.mode()
        async with passing(
            works.db, logged_type("install_pipeline", mode), direction="st_to_ghl", by="interval"
        ) as tally:
            if mode is Mode.OFF:
                return
            await works.marker.look_at_changes()
            patterns = [f"%{name}%" for name in works.premises.settings.install_names]
            ids = [row["customer_id"] for row in await works.db.fetch(_SQL["dirty_installs"], patterns)]
            if ids:
                done = await works.reconciler.drain(ids)
                tally.fetched, tally.created, tally.updated = done.customers, done.created, done.updated
