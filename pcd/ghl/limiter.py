"""Paces the calls of the whole process to what GoHighLevel allows one subaccount."""

from __future__ import annotations

import math
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import anyio

from pcd.errors import RateLimited
from pcd.ghl.decode import SERVICE
from pcd.ghl.ledger import DAILY, Ledger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from pcd.clock import Clock
    from pcd.ghl.limits import Limits
    from pcd.ghl.shapes import Budget

CALLS = 80
"""How many calls begin within `PERIOD`. GoHighLevel allows 100; the rest is for whoever else has the token.

Source: "Rate Limits", marketplace.gohighlevel.com, read 2026-11-23; some are refused well before 100.
"""

PERIOD = timedelta(seconds=10)

AT_ONCE = 8
"""How many calls of each priority are under way at the same time, unless more than that begin in a second."""

_OTHERS = 0.8
_LOW_SHARE = 0.97
_HELD_SECONDS = 900.0
# So much of what a busy processor held up is made up for.
_SLACK = 0.5
_LONGEST = 60.0
_NEAR = 1e-6


class Claim(Protocol):
    """Takes one start from what all processes may do together."""

    async def __call__(self, *, leaving: int) -> float:
        """Return 0, or after how many seconds to ask again; *leaving* are the starts to leave to others."""


class _Lane:
    """Those who wait for the same kind of place, in order of arrival."""

    def __init__(self, at_once: int) -> None:
        self.places = anyio.Semaphore(at_once, fast_acquire=True)
        self.turn = anyio.Lock(fast_acquire=True)


class Limiter:
    """At most *calls* begin in any *period*, those that cannot wait before all others.

    The window slides, and follows what the answers say: a smaller allowance makes it smaller (to four
    fifths, for others may use the token too), an allowance that is used up holds everybody. Calls of
    low priority come evenly and leave the last places of the window to the others; below a quarter of
    the day's calls they are spread over the rest of the day, below a twentieth they are refused.

    One limiter belongs to one subaccount and is shared by everything in the process. *period* are the
    seconds of the interval as it was last told. *waited_seconds* adds up how long callers waited,
    *started* counts their calls, *in_flight* how many are under way, *pauses* how often we were made to
    stop.
    """

    def __init__(  # noqa: PLR0913 - everything it depends on comes in from outside
        self,
        *,
        clock: Clock,
        calls: int = CALLS,
        period: timedelta = PERIOD,
        daily: int = DAILY,
        at_once: int | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        shared: Claim | None = None,
    ) -> None:
        """Start with an empty window and an unused day; *shared* is asked after the own window."""
        self.period = period.total_seconds()
        at_once = max(AT_ONCE, math.ceil(calls / self.period)) if at_once is None else at_once
        if calls < 1 or at_once < 1:
            raise ValueError(f"a limiter needs room for a call: {calls=}, {at_once=}")
        self._calls, self._configured = calls, calls / self.period
        self._clock, self._sleep, self._shared = clock, sleep, shared
        self._ledger = Ledger(daily=daily, now=clock.now())
        self._starts: deque[float] = deque()
        self._held_until = self._low_from = -math.inf
        self._urgent, self._low = _Lane(at_once), _Lane(at_once)
        self._urgent_waiting = 0
        self._calm = anyio.Event()
        self.waited_seconds = 0.0
        self.started = self.in_flight = self.pauses = 0

    @property
    def budget(self) -> Budget:
        """How the day and the window stand."""
        self._forget_old()
        free = 0 if self.paused_seconds else max(self._calls - len(self._starts), 0)
        return self._ledger.budget(self._clock.now(), window_free=free)

    @property
    def paused_seconds(self) -> float:
        """How much longer nobody may start, 0 when there is no pause."""
        return max(0.0, self._held_until - self._clock.monotonic())

    def pause(self, seconds: float) -> None:
        """Let nobody start for *seconds* from now; a pause never shortens one that is under way."""
        self.pauses += 1
        self._hold(self._clock.monotonic() + seconds)

    def note(self, limits: Limits) -> None:
        """Follow what an answer says. Call it while the call still counts as under way."""
        self._ledger.note(limits, self._clock.now())
        if limits.most is not None and limits.interval is not None and limits.interval <= _LONGEST:
            # However short theirs is: one call as often as was configured.
            self.period = max(limits.interval, 1 / self._configured)
            wanted = self._configured * self.period
            self._calls = max(1, int(wanted if wanted <= limits.most else limits.most * _OTHERS))
        if limits.remaining is not None and limits.remaining < self.in_flight:
            # Whether their window slides or begins anew at fixed moments: by then there is room.
            self._forget_old()
            began_at = self._starts[0] if self._starts else self._clock.monotonic()
            self._hold(began_at + self.period)

    @asynccontextmanager
    async def slot(self, *, low_priority: bool = False, longest: float = math.inf) -> AsyncGenerator[None]:
        """Wait for the permission to make one call, and hold a place for as long as it is under way.

        Raises RateLimited rather than wait for more than *longest* seconds.
        """
        came_at = self._clock.monotonic()
        lane = self._low if low_priority else self._urgent
        async with AsyncExitStack() as stack:
            try:
                with anyio.fail_after(None if longest == math.inf else longest):
                    await stack.enter_async_context(lane.places)
                    await self._take(lane, came_at=came_at, until=came_at + longest)
            except TimeoutError:
                raise _too_long(longest) from None
            self.waited_seconds += self._clock.monotonic() - came_at
            self.started += 1
            self.in_flight += 1
            stack.callback(self._land)
            yield

    @property
    def _low_calls(self) -> int:
        return math.ceil(self._calls * _LOW_SHARE)

    async def _take(self, lane: _Lane, *, came_at: float, until: float) -> None:
        """Take a start when it is our turn. Raises RateLimited when it is not before *until*."""
        if lane is self._low:
            async with lane.turn:
                await self._wait_low(came_at, until)
            return
        self._urgent_waiting += 1
        try:
            async with lane.turn:
                await self._begin(until=until)
        finally:
            self._urgent_waiting -= 1
            if not self._urgent_waiting:
                self._calm.set()
                self._calm = anyio.Event()

    async def _wait_low(self, came_at: float, until: float) -> None:
        while True:
            spacing = self._ledger.spacing(self._clock.now())
            if spacing is None:
                raise self._held_today()
            spacing = max(spacing, self.period / self._low_calls)
            await self._sleep_until(self._low_from, until=until)
            if self._urgent_waiting:
                with anyio.move_on_after(self.period):
                    await self._calm.wait()
            elif await self._begin(until=until, gives_way=True):
                late_at = max(came_at, self._clock.monotonic() - _SLACK)
                self._low_from = max(self._low_from, late_at) + spacing
                return

    async def _begin(self, *, until: float, gives_way: bool = False) -> bool:
        """Wait until there is room in the window, and begin.

        With *gives_way* some room is left, and False says that somebody urgent came, so nothing began.
        """
        is_granted = self._shared is None
        while not (gives_way and self._urgent_waiting):
            start_at = self._free_at(gives_way=gives_way)
            if start_at - self._clock.monotonic() > _NEAR:
                await self._sleep_until(start_at, until=until)
            elif self._shared is not None and not is_granted:
                leaving = self._calls - self._low_calls if gives_way else 0
                seconds = await self._shared(leaving=leaving)
                is_granted = seconds <= _NEAR
                await self._sleep_until(self._clock.monotonic() + seconds, until=until)
            else:
                self._starts.append(max(self._clock.monotonic(), start_at))
                self._ledger.count(self._clock.now(), low_priority=gives_way)
                return True
        return False

    def _free_at(self, *, gives_way: bool) -> float:
        """Return when this process's own window has room; that may be past."""
        self._forget_old()
        calls = self._low_calls if gives_way else self._calls
        is_full = len(self._starts) >= calls
        return max(self._held_until, self._starts[-calls] + self.period if is_full else -math.inf)

    async def _sleep_until(self, instant: float, *, until: float) -> None:
        seconds = instant - self._clock.monotonic()
        if instant > until:
            raise _too_long(seconds)
        if seconds > _NEAR:
            await self._sleep(seconds)

    def _forget_old(self) -> None:
        before = self._clock.monotonic() - self.period + _NEAR
        while self._starts and self._starts[0] <= before:
            self._starts.popleft()

    def _hold(self, until: float) -> None:
        self._held_until = max(self._held_until, until)

    def _land(self) -> None:
        self.in_flight -= 1

    def _held_today(self) -> RateLimited:
        seconds = min(self._ledger.seconds_left(self._clock.now()), _HELD_SECONDS)
        text = "The day's calls of GoHighLevel run out; the last ones are kept for what cannot wait"
        return RateLimited(text, service=SERVICE, retry_after=seconds)


def _too_long(seconds: float) -> RateLimited:
    text = f"GoHighLevel allows no call for another {seconds:.0f} s"
    return RateLimited(text, service=SERVICE, retry_after=seconds)
