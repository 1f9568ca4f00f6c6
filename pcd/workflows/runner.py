"""Takes due steps, many at a time, and writes what they came to; any number of runners share the work.

    due ──claim──▶ in flight ──performer──▶ settled together ──▶ due again, or ended
                       │
                       └── renewed every third of the lease; a claim that is lost is broken off

One statement claims a batch and one settles whatever ended while the last was being written, so a busy
runner commits once for many steps and an idle one at once. What a dead process held is a suspect: it
is tried again one at a time, so that the one that kills does not take the others along for ever.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

import anyio

from pcd.errors import DataRejected, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta
    from uuid import UUID

    from anyio.abc import TaskGroup, TaskStatus

    from pcd.clock import Clock
    from pcd.workflows.performer import Performer
    from pcd.workflows.store import Claimed, Settlement, Store

_log = logging.getLogger(__name__)

SESSION: Mapping[str, str] = MappingProxyType({"plan_cache_mode": "force_generic_plan"})
"""Settings for the runner's sessions: its few statements are planned once."""

_TRUST = 0.9  # how much of a lease is surely ours whatever the clocks do
_PAUSE = 0.5
_SOON = 0.01
_GATHER = 0.02
_RELEASE = 1.0
_TOGETHER = 500


@dataclass(slots=True)
class _Flight:
    """A claimed instance under way; trusted until then on the monotonic clock."""

    claimed: Claimed
    trusted_until: float
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Runner:
    """A service: takes at most *at_once* steps at a time until it is cancelled.

    *observe* hears what was settled; *passing* is told the points at which a test may want to die.
    """

    name = "workflows"

    def __init__(  # noqa: PLR0913 - one keyword each for what it works with
        self,
        store: Store,
        performer: Performer,
        *,
        check_interval: timedelta,
        clock: Clock,
        at_once: int = 100,
        chance: Callable[[], float] = random.random,
        observe: Callable[[Sequence[Settlement]], None] = lambda _settled: None,
        passing: Callable[[str], None] = lambda _point: None,
    ) -> None:
        self._store = store
        self._performer = performer
        self._check_interval = check_interval
        self._clock = clock
        self._at_once = at_once
        self._chance = chance
        self._observe = observe
        self._passing = passing
        self._flights: dict[UUID, _Flight] = {}
        self._ended: list[Settlement] = []
        self._news = anyio.Event()
        self._settling = anyio.Event()
        self._changed = anyio.Event()
        self._is_closing = False
        self._suspects_may_wait = True

    def wake(self) -> None:
        """Look for due steps now: something may have fallen due."""
        self._news.set()

    async def drain(self) -> None:
        """Take no more steps, and return when those under way have been settled."""
        self._is_closing = True
        while self._flights:
            await self._changed.wait()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Take steps until cancelled; what is under way then is given back."""
        self._is_closing = False
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._settle)
                group.start_soon(self._renew)
                task_status.started()
                await self._claim(group)
        finally:
            await self._give_back()

    async def _claim(self, group: TaskGroup) -> NoReturn:
        while True:
            self._news = anyio.Event()
            if not await self._has_room():
                continue
            try:
                await self._claim_once(group, self._room())
            except StoreError as error:
                if not self._flights:
                    raise
                # What is under way must still be settled.
                _log.warning("workflows: no step can be claimed now: %s", error)
                await anyio.sleep(_PAUSE)

    async def _has_room(self) -> bool:
        """Return whether it is worth while to claim now; waits until it may be.

        Not for each place as it gets free: claiming many costs hardly more than claiming one. But long
        steps must not keep the others waiting.
        """
        if self._room() >= self._at_once / 2:
            return True
        changed = self._changed
        if self._room() <= 0:
            await changed.wait()
            return False
        with anyio.move_on_after(_GATHER) as patience:
            await changed.wait()
        return patience.cancelled_caught

    def _room(self) -> int:
        return 0 if self._is_closing else self._at_once - len(self._flights)

    async def _claim_once(self, group: TaskGroup, room: int) -> None:
        self._passing("before claim")
        claimed = await self._store.claim(room)
        if claimed:
            self._passing("after claim")
        for one in claimed:
            self._take_off(group, one)
        if len(claimed) < room:
            await self._rest(group)

    async def _rest(self, group: TaskGroup) -> None:
        """Wait until something falls due or somebody wakes us; meanwhile try suspects one by one."""
        if not self._has_suspect() and self._suspects_may_wait:
            suspect = await self._store.claim_suspect()
            self._suspects_may_wait = suspect is not None
            if suspect is not None:
                self._take_off(group, suspect)
        seconds = await self._store.next_due(with_suspects=not self._has_suspect())
        self._suspects_may_wait |= seconds is not None and seconds <= 0
        most = self._check_interval.total_seconds() * (1 - self._chance() / 4)
        with anyio.move_on_after(most if seconds is None else min(max(seconds, _SOON), most)):
            await self._news.wait()

    def _has_suspect(self) -> bool:
        return any(flight.claimed.is_suspect for flight in self._flights.values())

    def _take_off(self, group: TaskGroup, claimed: Claimed) -> None:
        flight = _Flight(claimed, self._trusted_until(claimed.asked_at))
        self._flights[claimed.instance.id] = flight
        group.start_soon(self._fly, flight)

    async def _fly(self, flight: _Flight) -> None:
        with flight.scope:
            try:
                settlement = await self._performer.take(flight.claimed)
            except StoreError as error:
                _log.warning("workflows: a step is given back: %s", error)
                await anyio.sleep(_PAUSE)
                await self._release([flight])
                return
            self._ended.append(settlement)
            self._settling.set()

    async def _settle(self) -> NoReturn:
        while True:
            await self._settling.wait()
            self._settling = anyio.Event()
            self._passing("before commit")
            await self._write()

    async def _write(self) -> None:
        """Write what steps came to; tries until it succeeds or the leases are lost."""
        while self._ended:
            settled = self._ended[:_TOGETHER]
            try:
                await self._store.settle(settled)
            except DataRejected as error:
                settled = await self._write_singly(settled, error)
            except StoreError as error:
                _log.warning("workflows: %d steps cannot be settled now: %s", len(self._ended), error)
                await anyio.sleep(_PAUSE)
                self._ended = [one for one in self._ended if one.instance.id in self._flights]
                continue
            self._ended = self._ended[len(settled) :]
            self._land([one.instance.id for one in settled])
            self._observe(settled)
            if any(one.transition.due_at is not None for one in settled):
                self._news.set()

    async def _write_singly(self, settled: Sequence[Settlement], error: DataRejected) -> list[Settlement]:
        """Write them one by one, and of those that PostgreSQL refuses only what became of them."""
        _log.warning("workflows: PostgreSQL refuses what a step came to (%s); settling one by one", error)
        written = []
        for one in settled:
            try:
                await self._store.settle([one])
            except DataRejected:
                await self._store.settle([bared := _bare(one)])
                written.append(bared)
            else:
                written.append(one)
        return written

    def _land(self, ids: Sequence[UUID]) -> None:
        for id_ in ids:
            self._flights.pop(id_, None)
        self._changed.set()
        self._changed = anyio.Event()

    async def _renew(self) -> NoReturn:
        pause = self._store.lease.total_seconds() / 3
        while True:
            await anyio.sleep(pause)
            if self._flights:
                await self._renew_once()

    async def _renew_once(self) -> None:
        flights, asked_at = list(self._flights.values()), self._clock.monotonic()
        try:
            ours = await self._store.renew([flight.claimed.instance for flight in flights])
        except StoreError as error:
            _log.warning("workflows: leases cannot be renewed now: %s", error)
            lost = [flight for flight in flights if flight.trusted_until <= self._clock.monotonic()]
        else:
            lost = [flight for flight in flights if flight.claimed.instance.id not in ours]
            for flight in flights:
                flight.trusted_until = self._trusted_until(asked_at)
        # Settled while we asked is not lost.
        lost = [flight for flight in lost if self._flights.get(flight.claimed.instance.id) is flight]
        for flight in lost:
            _log.warning("workflows: the claim of instance %s is lost", flight.claimed.instance.id)
            flight.scope.cancel()
        self._land([flight.claimed.instance.id for flight in lost])

    def _trusted_until(self, asked_at: float) -> float:
        return asked_at + self._store.lease.total_seconds() * _TRUST

    async def _release(self, flights: Sequence[_Flight]) -> None:
        if not flights:
            return
        try:
            await self._store.release([flight.claimed.instance for flight in flights])
        except StoreError as error:
            _log.warning("workflows: %d claims are left to expire: %s", len(flights), error)
        self._land([flight.claimed.instance.id for flight in flights])

    async def _give_back(self) -> None:
        """Settle what has ended and release the rest, within a second; what remains expires by itself."""
        with anyio.move_on_after(_RELEASE, shield=True):
            try:
                await self._write()
                await self._release(list(self._flights.values()))
            except StoreError as error:
                _log.warning("workflows: %d claims are left to expire: %s", len(self._flights), error)
        self._flights.clear()
        self._ended.clear()


def _bare(one: Settlement) -> Settlement:
    """Return *one* without the texts that somebody else made."""
    said = "PostgreSQL refuses what it said; see the log"
    transition = replace(one.transition, output={}, context={}, error=said, reason=said)
    return replace(one, transition=transition, input=None)
