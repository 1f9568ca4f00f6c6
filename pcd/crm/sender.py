"""Sends what we owe to GoHighLevel, in the order of each lane, many lanes at once."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn

import anyio

from pcd.crm.breaker import opens
from pcd.errors import (
    DataRejected,
    Malformed,
    NoAnswer,
    RateLimited,
    Rejected,
    Unavailable,
    UpstreamError,
)
from pcd.telemetry.log import context

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup, TaskStatus

    from pcd.config import GhlConfig
    from pcd.crm.breaker import Breaker
    from pcd.crm.lanes import Lanes
    from pcd.crm.outbox import Outbox, Owed
    from pcd.crm.performer import Performer

_log = logging.getLogger(__name__)

DONE: Final = "done"
"""What `Sender` says of a call that was carried out; of others the name of the error, or `WAITING`."""

WAITING: Final = "waiting"
"""What `Sender` says of a call that something else has to go before."""

_IDLE = 1.0
_AT_ONCE = 16
# While more waits than there is room for, it is taken some at a time.
_REFILL = 0.75
_MOST_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many calls are under way at once, and how long to wait where something went wrong.

    *doubt* is how long a call without an answer rests before it is looked for: their search lags behind.
    """

    at_once: int = _AT_ONCE
    doubt: timedelta = timedelta(seconds=30)
    first: timedelta = timedelta(seconds=2)
    most: timedelta = timedelta(minutes=5)
    closed: timedelta = timedelta(seconds=30)

    @classmethod
    def fitting(cls, config: GhlConfig) -> Pace:
        """Return the pace for the rate of *config*: what is taken at once lasts for two seconds."""
        return cls(at_once=max(_AT_ONCE, config.requests_per_10s // 5), doubt=config.search_lag)


class Sender:
    """A service: sends owed calls while the switch is on and GoHighLevel accepts us.

    *jitter* yields numbers in [0, 1).
    """

    name = "ghl sender"

    def __init__(  # noqa: PLR0913 - one keyword each for what it works with
        self,
        outbox: Outbox,
        performer: Performer,
        *,
        breaker: Breaker,
        lanes: Lanes,
        dry_run: bool,
        observe: Callable[[Owed, str, float], None] = lambda _call, _outcome, _seconds: None,
        pace: Pace | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """*dry_run* is what the configuration says; a person's switch may say otherwise.

        *observe* hears of every try what came of it, and how many seconds it took.
        """
        self._outbox = outbox
        self._performer = performer
        self._breaker = breaker
        self._lanes = lanes
        self._dry_run = dry_run
        self._observe = observe
        self._pace = pace or Pace()
        self._jitter = jitter
        self._under_way = 0
        self._has_more = False
        self._is_leaving = False
        self._ended = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Send until cancelled. Raises StoreError, and LeaseLost when another process took over."""
        await self._begin()
        async with anyio.create_task_group() as group:
            task_status.started()
            await self._serve(group)

    async def drain(self) -> None:
        """Take no more calls, and return when those under way were answered."""
        self._is_leaving = True
        await self.until_answered()

    async def until_answered(self) -> None:
        """Return when the calls that are under way were answered, or given up for now."""
        while self._under_way:
            await self._ended.wait()

    async def empty(self) -> None:
        """Send until nothing is due any more, for a command while no daemon runs."""
        await self._begin()
        async with anyio.create_task_group() as group:
            while True:
                taken = await self._take(group)
                if not taken and not self._under_way:
                    seconds = await self._outbox.until_next()
                    if seconds is None or seconds > self._pace.first.total_seconds() or self._breaker.reason:
                        return
                await self._rest()

    async def _begin(self) -> None:
        await self._outbox.rescue(after=self._pace.doubt)
        await self._breaker.recall()

    async def _serve(self, group: TaskGroup) -> NoReturn:
        while True:
            if self._breaker.reason and not self._under_way:
                await self._rest(self._pace.closed.total_seconds())
            # Fewer than there was room for: what was taken goes out before anything else is asked.
            if await self._take(group) < self._pace.at_once:
                await self._rest()

    async def _take(self, group: TaskGroup) -> int:
        """Take what is due, as much as there is room for; one call only while GoHighLevel refuses us."""
        room = 1 if self._breaker.reason else self._pace.at_once
        free = 0 if self._is_leaving else room - self._under_way
        if free <= 0:
            return 0
        async with self._lanes.taking() as reserved:
            calls = await self._outbox.claim(free, reserved=reserved, dry_run=self._dry_run)
        self._has_more = len(calls) == free
        for call in calls:
            self._under_way += 1
            group.start_soon(self._send, call, name=f"ghl call {call.id}")
        return len(calls)

    async def _rest(self, seconds: float = _IDLE) -> None:
        """Wait for news, but no longer than until the next call is due."""
        if not self._under_way and seconds == _IDLE:
            until = await self._outbox.until_next()
            seconds = min(seconds, max(until, 0.01)) if until is not None else seconds
        await self._lanes.wait_owed(seconds)

    async def _send(self, call: Owed) -> None:
        began = anyio.current_time()
        trace = call.event_id.hex if call.event_id else ""
        try:
            with context(trace=trace):
                outcome = await self._try(call)
            self._observe(call, outcome, anyio.current_time() - began)
        finally:
            self._under_way -= 1
            self._ended.set()
            self._ended = anyio.Event()
            if not self._has_more or self._under_way <= self._pace.at_once * _REFILL:
                self._lanes.tell_owed()

    async def _try(self, call: Owed) -> str:
        """Carry out *call*, or decide what becomes of it, and return how it went."""
        try:
            awaited = await self._performer.perform(call)
        except UpstreamError as error:
            await self._fail(call, error)
            return type(error).__name__.lower()
        except DataRejected as error:
            # It would be refused again after every other try, and each may write there once more.
            await self._bury(call, f"what came of it cannot be stored: {error}")
            return type(error).__name__.lower()
        if awaited:
            await self._put_off(call, awaited)
            return WAITING
        if self._breaker.reason:
            await self._breaker.close()
        return DONE

    async def _fail(self, call: Owed, error: UpstreamError) -> None:
        """Decide what becomes of *call*."""
        text = str(error)
        match error:
            case _ if opens(error):
                await self._breaker.open(error)
                await self._outbox.postpone(call, by=self._pace.closed, error=text, is_free=True)
            case RateLimited(retry_after=seconds):
                by = timedelta(seconds=10 if seconds is None else seconds)
                await self._outbox.postpone(call, by=by, error=text, is_free=True)
            case Rejected():
                await self._bury(call, text)
            case NoAnswer() | Malformed():
                await self._put_off(call, text, at_least=self._pace.doubt, is_doubtful=True)
            case Unavailable():
                await self._outbox.postpone(call, by=self._backoff(call.attempt), error=text)
            case _:
                await self._bury(call, text)

    async def _put_off(
        self, call: Owed, error: str, *, at_least: timedelta = timedelta(), is_doubtful: bool = False
    ) -> None:
        """Try *call* again after a while, and give it up after some tries."""
        if call.attempt >= _MOST_TRIES:
            await self._bury(call, f"{error}; tried {call.attempt} times")
            return
        by = max(at_least, self._backoff(call.attempt))
        await self._outbox.postpone(call, by=by, error=error, is_doubtful=is_doubtful)

    async def _bury(self, call: Owed, error: str) -> None:
        _log.error(
            "ghl: call %d (%s, %s) is given up: %s; `pcd ghl retry` sends it again",
            call.id,
            call.kind,
            call.lane,
            error,
        )
        await self._outbox.bury(call, error=error)

    def _backoff(self, attempt: int) -> timedelta:
        full = min(self._pace.first * 2.0 ** min(attempt - 1, 20), self._pace.most)
        return timedelta(seconds=full.total_seconds() * (0.5 + self._jitter() / 2))
