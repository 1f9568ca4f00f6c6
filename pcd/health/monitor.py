"""Looks at everything now and then, and says once when something breaks and once when it heals."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

import anyio

from pcd.health.check import Level, Unread
from pcd.health.judge import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.health.check import Check, Thresholds, Verdict
    from pcd.health.reader import Reader

_log = logging.getLogger(__name__)
_SOON = 30.0
_JITTER = 0.1
_NOT_READ = Unread("nobody measures it here")


class Monitor:
    """A service: judges all checks every *interval*, and every half minute while something looks wrong.

    `verdicts` are the last ones, `looked_at` says of when, `rounds` counts. *observe* hears each round's.
    """

    name = "health"

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        reader: Reader,
        thresholds: Thresholds,
        interval: timedelta,
        clock: Clock,
        observe: Callable[[Mapping[str, Verdict]], None] = lambda _: None,
    ) -> None:
        self.verdicts: Mapping[str, Verdict] = {}
        self.looked_at: datetime | None = None
        self.thresholds = thresholds
        self.interval = interval
        self._checks = checks
        self._reader = reader
        self._clock = clock
        self._observe = observe
        self._lock = anyio.Lock()
        self._looked = float("-inf")
        self._changed = anyio.Event()
        self.rounds = 0

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Look until cancelled; ready after the first look."""
        await self.look()
        task_status.started()
        while True:
            longest = self.interval.total_seconds()
            pause = longest if self.is_well else min(longest, _SOON)
            await anyio.sleep(pause * (1 + _JITTER * random.random()))  # noqa: S311 - no secret
            await self.look()

    @property
    def is_well(self) -> bool:
        """Whether no check found anything, not even something that it does not believe yet."""
        parts = [part for verdict in self.verdicts.values() for part in verdict.parts]
        return all(part.level is Level.OK and part.leaning is Level.OK for part in parts)

    async def look(self, *, not_older_than: float = 0.0) -> Mapping[str, Verdict]:
        """Measure and judge everything now; what was found within *not_older_than* seconds is good enough.

        Whoever asks while somebody else looks gets what that one finds.
        """
        asked = self._clock.monotonic()
        async with self._lock:
            if self._looked >= asked - not_older_than:
                return self.verdicts
            began = self._clock.monotonic()
            readings = await self._reader.read()
            now = self._clock.now()
            before = self.verdicts
            self.verdicts = {
                name: judge(
                    check,
                    readings.get(check.reads, _NOT_READ),
                    thresholds=self.thresholds,
                    previous=before.get(name),
                    at=now,
                )
                for name, check in self._checks.items()
                if check.reads in readings
            }
            self.looked_at, self._looked = now, began
            self.rounds += 1
            self._tell(before)
            self._observe(self.verdicts)
            self._changed.set()
            self._changed = anyio.Event()
            return self.verdicts

    async def after(self, rounds: int) -> Mapping[str, Verdict]:
        """Return the verdicts once there have been more than *rounds* looks."""
        while self.rounds <= rounds:
            await self._changed.wait()
        return self.verdicts

    def _tell(self, before: Mapping[str, Verdict]) -> None:
        logged = {name: each for name, each in self.verdicts.items() if self._checks[name].is_logged}
        for name, verdict in logged.items():
            was = before[name].level if name in before else Level.OK
            if verdict.level.rank > was.rank:
                level = logging.ERROR if verdict.level is Level.FAIL else logging.WARNING
                _log.log(level, "health: %s: %s", name, verdict.text)
            elif verdict.level is Level.OK and was is not Level.OK:
                _log.info("health: %s is well again: %s", name, verdict.text)
