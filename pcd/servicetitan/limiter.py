"""Paces the requests of the whole process to what ServiceTitan allows one tenant."""

from __future__ import annotations

import math
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from pcd.errors import RateLimited
from pcd.servicetitan.decode import SERVICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pcd.clock import Clock

AT_ONCE = 8
"""How many requests are under way at the same time.

Source: no number is documented; calls suffer from as few as two at once (``montrellcruse/servicetitan-mcp``,
changelog of 2.5.0), while the usual resources were read eight at a time without a complaint.
"""

_NEAR = 1e-6


class Limiter:
    """At most *per_second* requests begin in any second and *at_once* are under way, in order of arrival.

    The window slides: it is never a burst at the end of one second and another at the start of the
    next. One limiter belongs to one app and tenant and is shared by everything in the process.

    *waited_seconds* adds up how long callers waited, *started* counts their requests, *in_flight* how
    many are under way, *pauses* how often upstream made us stop.

    Source: 60 calls a second for each application and tenant, "FAQs: APIs, app keys, client keys",
    ServiceTitan's developer portal, read 2026-11-23.
    """

    def __init__(
        self,
        *,
        per_second: float,
        clock: Clock,
        at_once: int = AT_ONCE,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        shared: Callable[[], Awaitable[float]] | None = None,
    ) -> None:
        """Start with an empty window.

        *shared* takes one start from what all processes may do together and returns 0, or after how many
        seconds to ask again.
        """
        if not per_second > 0 or at_once < 1:
            raise ValueError(f"a limiter needs room for a request: {per_second=}, {at_once=}")
        count = max(1, int(per_second))
        self._period = count / per_second
        self._starts: deque[float] = deque(maxlen=count)
        self._held_until = -math.inf
        self._clock, self._sleep, self._shared = clock, sleep, shared
        self._places, self._turn = anyio.Semaphore(at_once), anyio.Lock()
        self.waited_seconds = 0.0
        self.started = self.in_flight = self.pauses = 0

    def pause(self, seconds: float) -> None:
        """Let nobody start for *seconds* from now; a pause never shortens one that is under way."""
        self.pauses += 1
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    @property
    def paused_seconds(self) -> float:
        """How much longer nobody may start, 0 when there is no pause."""
        return max(0.0, self._held_until - self._clock.monotonic())

    @asynccontextmanager
    async def slot(self, *, longest: float = math.inf) -> AsyncIterator[None]:
        """Wait for the permission to make one request, and hold a place for as long as it is under way.

        Raises RateLimited rather than sit through a pause of more than *longest* seconds.
        """
        came_at = self._clock.monotonic()
        async with self._places:
            async with self._turn:
                await self._wait(longest)
            self.waited_seconds += self._clock.monotonic() - came_at
            self.started += 1
            self.in_flight += 1
            try:
                yield
            finally:
                self.in_flight -= 1

    async def _wait(self, longest: float) -> None:
        while True:
            if (pause := self.paused_seconds) > longest:
                text = f"ServiceTitan wants no requests for another {pause:.0f} s"
                raise RateLimited(text, service=SERVICE, retry_after=pause)
            is_full = len(self._starts) == self._starts.maxlen
            free_at = self._starts[0] + self._period if is_full else -math.inf
            start_at = max(self._held_until, free_at)
            seconds = start_at - self._clock.monotonic()
            if seconds <= _NEAR and self._shared is not None:
                seconds = await self._shared()
            if seconds <= _NEAR:
                self._starts.append(max(self._clock.monotonic(), start_at))
                return
            await self._sleep(seconds)
