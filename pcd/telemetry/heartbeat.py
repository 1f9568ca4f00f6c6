"""Shows from outside that the daemon lives: a file's age, and systemd's watchdog."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio
import msgspec

from pcd.telemetry.metrics import LOOP_LAG, TASKS

if TYPE_CHECKING:
    from datetime import timedelta

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.telemetry.metrics import Metrics
    from pcd.telemetry.notify import Systemd

_log = logging.getLogger(__name__)
_TICK = 1.0
_STUCK = 5.0


class Pulse(Protocol):
    """What the heart listens to; both are monotonic seconds."""

    @property
    def answered_at(self) -> float:
        """When the database last answered; minus infinity when it never did."""

    @property
    def looked_at(self) -> float:
        """When the database was last asked, whatever came of it."""


class Heartbeat:
    """A service: beats every *interval*, but only while the daemon makes progress.

    The file is written while the database answers and the loop is not stuck: an old file means that no
    work is done. The watchdog is fed as long as the daemon still looks, because a restart by systemd helps
    a stuck process, not an absent database.
    """

    name = "heartbeat"

    def __init__(
        self,
        file: Path,
        *,
        interval: timedelta,
        pulse: Pulse,
        systemd: Systemd,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Beat into *file* every *interval* as long as *pulse* moves."""
        self._file = file
        self._interval = interval.total_seconds()
        self._pulse = pulse
        self._systemd = systemd
        self._clock = clock
        self._metrics = metrics
        self._began = clock.monotonic()
        self._told = False

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Beat until cancelled."""
        task_status.started()
        feed_every = self._systemd.watchdog.total_seconds() / 3 if self._systemd.watchdog else None
        beaten_at = fed_at = float("-inf")
        while True:
            lag = await self._tick()
            now = self._clock.monotonic()
            if lag > _STUCK:
                _log.warning("the event loop was stuck for %.1f s", lag)
                continue
            if now - beaten_at >= self._interval and self._is_recent(self._pulse.answered_at, now):
                await anyio.to_thread.run_sync(self._beat)
                beaten_at = now
            if feed_every and now - fed_at >= feed_every and self._is_recent(self._pulse.looked_at, now):
                self._systemd.tell(WATCHDOG=1)
                fed_at = now

    async def _tick(self) -> float:
        """Sleep for a moment and return by how much it was too long."""
        before = self._clock.monotonic()
        pause = min(_TICK, self._interval)
        await anyio.sleep(pause)
        lag = max(self._clock.monotonic() - before - pause, 0.0)
        self._metrics.observe(LOOP_LAG, lag)
        self._metrics.set(TASKS, len(asyncio.all_tasks()))
        return lag

    def _is_recent(self, instant: float, now: float) -> bool:
        return now - instant < max(self._interval, 4 * _STUCK)

    def _beat(self) -> None:
        uptime = self._clock.monotonic() - self._began
        beat = {"timestamp": self._clock.now().isoformat(), "pid": os.getpid(), "uptime": round(uptime, 1)}
        try:
            write_atomically(self._file, msgspec.json.encode(beat))
        except OSError as error:
            if not self._told:
                _log.warning("daemon.heartbeat_file: %s cannot be written (%s)", self._file, error.strerror)
            self._told = True
        else:
            self._told = False


def write_atomically(file: Path, content: bytes) -> None:
    """Replace *file* by *content*: a reader sees the old or the new, never a part."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
