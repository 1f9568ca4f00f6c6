"""A clock for tests that wait without waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio.lowlevel

from pcd.clock import Clock

START = datetime(2026, 11, 23, 10, tzinfo=UTC)


class StandingClock(Clock):
    """Stands still until somebody sleeps or a test moves it; *slept* says for how long each time."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000)

    async def sleep(self, seconds: float) -> None:
        """Let everybody else run first, then move on; who sleeps to the same moment moves it once."""
        until = self.seconds + seconds
        self.slept.append(seconds)
        await anyio.lowlevel.checkpoint()
        self.seconds = max(self.seconds, until)
        await anyio.lowlevel.checkpoint()
