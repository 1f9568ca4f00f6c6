"""Hears that something happened, and knows when it would not hear it.

A notification is a hint: whoever is woken reads the outbox, and reads it at the fallback interval anyway.
What decides between the two is a canary, a notification that the listener sends to itself::

    polling ──connected, LISTEN, canary came back──▶ listening
       ▲                                                 │
       └──connection lost, statement or canary late──────┘

While polling, the outbox is read every second and the connection is made anew; after LISTEN it is read once
more in full, for what was notified in between reached nobody.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn

import anyio

from pcd.changes.capture import CHANNEL
from pcd.db import queries
from pcd.db.dedicated import close_connection, open_connection
from pcd.db.errors import translated
from pcd.errors import ConfigError, StoreError, StoreUnreachable
from pcd.telemetry.metrics import LISTENING, NOTIFICATION_ROUND_TRIP, NOTIFICATIONS_LOST, WAKES

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.db.pool import Connection
    from pcd.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.changes")


class ListenState(StrEnum):
    """How the listener learns of changes."""

    LISTENING = "listening"
    POLLING = "polling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """When the canary flies, and when we poll and try to connect while it does not.

    The canary and any other statement of the listener count as lost after *lost_after*.
    """

    canary: timedelta = timedelta(seconds=5)
    lost_after: timedelta = timedelta(seconds=2)
    poll: timedelta = timedelta(seconds=1)
    retry: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """How the listener is: *since* on the monotonic clock; *round_trip* of the last canary in seconds."""

    state: ListenState
    since: float
    round_trip: float | None
    lost: int


class Listener:
    """A service: calls *on_wake* whenever there may be something in the outbox, and never blocks on it.

    It ends only by cancellation; while PostgreSQL is away it polls and tries again.
    """

    name = "listener"

    def __init__(
        self,
        url: str,
        *,
        poll_interval: timedelta,
        clock: Clock,
        on_wake: Callable[[], None],
        metrics: Metrics,
        rhythm: Rhythm | None = None,
    ) -> None:
        """Listen at *url*; *poll_interval* is the fallback poll while all is well."""
        self._url = url
        self._poll_interval = poll_interval
        self._clock = clock
        self._on_wake = on_wake
        self._metrics = metrics
        self._rhythm = rhythm or Rhythm()
        self._state = ListenState.POLLING
        self._since = clock.monotonic()
        self._round_trip: float | None = None
        self._lost = 0
        self._told = False
        self._changed = anyio.Event()
        self._returned = anyio.Event()

    @property
    def state(self) -> ListenState:
        """Whether notifications arrive."""
        return self._state

    def describe(self) -> Hearing:
        """Return how the listener is now."""
        return Hearing(state=self._state, since=self._since, round_trip=self._round_trip, lost=self._lost)

    async def wait_for(self, state: ListenState) -> None:
        """Return once the listener is in *state*."""
        while self._state is not state:
            await self._changed.wait()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Wake until cancelled; ready at once, because polling misses nothing."""
        self._metrics.set(LISTENING, 0)
        async with anyio.create_task_group() as group:
            group.start_soon(self._poll)
            task_status.started()
            while True:
                try:
                    await self._listen()
                except (StoreError, ConfigError) as error:
                    pause = self._rhythm.retry / (10 if self._state is ListenState.LISTENING else 1)
                    self._lose(error)
                    await anyio.sleep(pause.total_seconds())

    async def _poll(self) -> None:
        while True:
            self._wake("poll")
            listening = self._state is ListenState.LISTENING
            pause = self._poll_interval if listening else min(self._rhythm.poll, self._poll_interval)
            with anyio.move_on_after(pause.total_seconds()):
                await self._changed.wait()

    async def _listen(self) -> NoReturn:
        """Listen on one connection until it fails; raises the StoreError that says how."""
        connection = await open_connection(
            self._url, application_name="pcd listener", within=self._rhythm.lost_after
        )
        try:
            broken = anyio.Event()
            connection.add_termination_listener(lambda _: broken.set())
            canary = f"pcd_canary_{connection.get_server_pid()}"
            await self._subscribe(connection, canary)
            self._wake("connected")
            while True:
                await self._fly(connection, canary)
                self._find()
                with anyio.move_on_after(self._rhythm.canary.total_seconds()):
                    await broken.wait()
                    raise StoreUnreachable("PostgreSQL closed the connection")
        finally:
            await close_connection(connection)

    async def _subscribe(self, connection: Connection, canary: str) -> None:
        with anyio.move_on_after(self._rhythm.lost_after.total_seconds()), translated():
            await connection.add_listener(CHANNEL, lambda *_: self._wake("notification"))
            await connection.add_listener(canary, lambda *_: self._returned.set())
            return
        raise StoreUnreachable("PostgreSQL did not answer LISTEN in time")

    async def _fly(self, connection: Connection, canary: str) -> None:
        """Send the canary and measure how long it takes; raises StoreError when it does not come back."""
        self._returned = anyio.Event()
        sent_at = self._clock.monotonic()
        with anyio.move_on_after(self._rhythm.lost_after.total_seconds()), translated():
            await connection.execute(_SQL["wake"], canary)
            await self._returned.wait()
        if not self._returned.is_set():
            self._lost += 1
            self._metrics.add(NOTIFICATIONS_LOST)
            raise StoreUnreachable("a notification did not come back in time")
        self._round_trip = self._clock.monotonic() - sent_at
        self._metrics.observe(NOTIFICATION_ROUND_TRIP, self._round_trip)

    def _wake(self, reason: str) -> None:
        self._metrics.add(WAKES, reason=reason)
        self._on_wake()

    def _find(self) -> None:
        if self._state is ListenState.LISTENING:
            return
        if self._told:
            _log.info("notifications from PostgreSQL arrive again; they were away for %.1f s", self._age())
        self._told = False
        self._enter(ListenState.LISTENING)

    def _lose(self, error: Exception) -> None:
        if self._state is ListenState.LISTENING:
            self._enter(ListenState.POLLING)
        if not self._told:
            self._told = True
            _log.warning("no notifications from PostgreSQL (%s); changes are looked for every second", error)

    def _age(self) -> float:
        return self._clock.monotonic() - self._since

    def _enter(self, state: ListenState) -> None:
        self._state, self._since = state, self._clock.monotonic()
        self._metrics.set(LISTENING, float(state is ListenState.LISTENING))
        self._changed.set()
        self._changed = anyio.Event()
