"""Leases: of all processes on one database, only one at a time does a thing.

A lease is a row with a term that a sequence hands out anew at each takeover. The holder renews the row
in time; the body runs in a scope that is cancelled as soon as the lease is lost, or cannot be known to
be ours any more. Neither is what protects the data: each transaction that writes under a lease *fences*
itself, and the database then refuses it once the term has changed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import asyncpg

from pcd.db import queries
from pcd.errors import ControlError, LeaseLost, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime, timedelta
    from types import TracebackType

    from anyio.abc import TaskGroup

    from pcd.clock import Clock
    from pcd.db.pool import Connection, Database

_LOG = logging.getLogger(__name__)
_SQL = queries.load("pcd.db")

# How much earlier than the database we stop trusting the lease: what clocks may drift apart within one ttl.
_MARGIN = 0.1
_RELEASE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One row of the leases: who holds it, since when, until when. A dead holder's row is not live."""

    name: str
    holder: str
    term: int
    acquired_at: datetime
    expires_at: datetime
    is_live: bool


async def read(db: Database) -> list[Held]:
    """Return every lease by name, expired ones included."""
    return [Held(**dict(row)) for row in await db.fetch(_SQL["read_leases"])]


class Lease:
    """A lease that we hold. Lost at the latest when *clock* passes the end of its trust window."""

    def __init__(self, name: str, *, term: int, clock: Clock, trusted_until: float) -> None:
        self.name = name
        self.term = term
        self._clock = clock
        self._trusted_until = trusted_until
        self._lost = ""

    @property
    def lost(self) -> str:
        """How the lease was lost, "" while it is held."""
        if not self._lost and self.remaining() <= 0:
            self.lose(f"lease {self.name}: it could not be renewed in time")
        return self._lost

    def remaining(self) -> float:
        """Return for how many seconds the lease is known to be ours."""
        return self._trusted_until - self._clock.monotonic()

    def extend(self, trusted_until: float) -> None:
        """Trust the lease until *trusted_until* on the monotonic clock, unless it was lost before."""
        if not self.lost:
            self._trusted_until = trusted_until

    def lose(self, reason: str) -> None:
        """Give the lease up for lost; the first reason stays."""
        self._lost = self._lost or reason

    async def fence(self, connection: Connection) -> None:
        """Make the open transaction of *connection* one that can only commit under this lease.

        A takeover waits for the transaction to end; a renewal does not. Raises LeaseLost.
        """
        if self.lost:
            raise LeaseLost(self.lost)
        if await connection.fetchval(_SQL["fence_lease"], self.name, self.term) is None:
            self.lose(f"lease {self.name}: another process has taken it over")
            raise LeaseLost(self.lost)


class Leaser:
    """Takes leases for *holder*, each for *ttl* and renewed every third of it.

    Give it a database of its own (a pool of one connection will do): a renewal must not queue behind the
    work that it protects.
    """

    def __init__(self, db: Database, *, holder: str, ttl: timedelta, clock: Clock) -> None:
        self.db = db
        self.holder = holder
        self.ttl = ttl
        self.clock = clock

    def hold(
        self, name: str, *, wait: timedelta | None = None, on_wait: Callable[[str], None] | None = None
    ) -> AbstractAsyncContextManager[Lease]:
        """Hold lease *name* for the length of an ``async with`` block.

        While another holds it, waits for at most *wait* (None: for ever) and tells *on_wait* who it
        is; then raises ControlError with code ``busy``. When the lease is lost the block is cancelled
        and LeaseLost raised in its place.
        """
        return _Hold(self, name, wait=wait, on_wait=on_wait)

    async def take(self, name: str) -> Lease | Held:
        """Return the lease, or who holds it. Tries once."""
        asked_at = self.clock.monotonic()
        row = await self.db.fetchrow(_SQL["read_lease"], name)
        if row is not None and row["is_live"]:
            return Held(**dict(row))
        try:
            async with self.db.transaction() as connection:
                # A transaction fenced by the old term is still under way: it may end first.
                await connection.execute("SET LOCAL lock_timeout = '2s'")
                term = await connection.fetchval(_SQL["take_lease"], name, self.holder, self.ttl)
        except StoreError as error:
            if row is None or not isinstance(error.__cause__, asyncpg.LockNotAvailableError):
                raise
            return Held(**dict(row))
        if term is None:
            return await self.take(name)
        return Lease(name, term=term, clock=self.clock, trusted_until=self.trusted_until(asked_at))

    async def renew(self, lease: Lease) -> None:
        """Extend *lease*, or find that it is lost. Raises StoreError when the database cannot say."""
        asked_at = self.clock.monotonic()
        if await self.db.fetchval(
            _SQL["renew_lease"], lease.name, lease.term, self.ttl, timeout=self.ttl / 3
        ):
            lease.extend(self.trusted_until(asked_at))
        else:
            lease.lose(f"lease {lease.name}: another process has taken it over")

    async def release(self, lease: Lease) -> None:
        """Let the next one have the lease at once; if the database is gone, it expires by itself."""
        with anyio.move_on_after(_RELEASE, shield=True):
            try:
                await self.db.execute(_SQL["release_lease"], lease.name, lease.term)
            except StoreError as error:
                _LOG.warning("lease %s is left to expire: %s", lease.name, error)

    def trusted_until(self, asked_at: float) -> float:
        """Return how long a lease is surely ours that the database granted after *asked_at*."""
        return asked_at + self.ttl.total_seconds() * (1 - _MARGIN)


class _Hold:
    """One ``async with leaser.hold(...)``.

    Not a generator: the exception of the body has to leave as it came, not wrapped into a group.
    """

    def __init__(
        self, leaser: Leaser, name: str, *, wait: timedelta | None, on_wait: Callable[[str], None] | None
    ) -> None:
        self._leaser = leaser
        self._name = name
        self._wait = wait.total_seconds() if wait is not None else float("inf")
        self._on_wait = on_wait or (lambda text: _LOG.info("%s", text))
        self._lease: Lease | None = None
        self._group: TaskGroup = anyio.create_task_group()

    async def __aenter__(self) -> Lease:
        lease = await self._acquire()
        self._lease = lease
        await self._group.__aenter__()
        self._group.start_soon(self._keep, lease)
        self._group.start_soon(self._watch, lease)
        return lease

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        lease = self._lease
        assert lease is not None
        cancelled = isinstance(error, anyio.get_cancelled_exc_class())
        if not cancelled:
            self._group.cancel_scope.cancel()
            kind = trace = None
        lost = lease.lost
        try:
            swallowed = await self._group.__aexit__(kind, error if cancelled else None, trace)
        finally:
            await self._leaser.release(lease)
        if lost and (error is None or (cancelled and swallowed)):
            raise LeaseLost(lost) from error
        return bool(swallowed) if cancelled else None

    async def _acquire(self) -> Lease:
        deadline = anyio.current_time() + self._wait
        pause = min(1.0, self._leaser.ttl.total_seconds() / 6)
        told = ""
        while True:
            # Whole: a lease taken for somebody who was cancelled meanwhile would block all others.
            with anyio.CancelScope(shield=True):
                found = await self._leaser.take(self._name)
            if isinstance(found, Lease):
                return found
            since = f"{found.acquired_at:%Y-%m-%d %H:%M:%S} UTC"
            text = f"lease {self._name} is held by {found.holder} since {since}"
            if anyio.current_time() + pause > deadline:
                raise ControlError(text, code="busy")
            if text != told:
                told = text
                self._on_wait(f"waiting: {text}")
            await anyio.sleep(pause)

    async def _keep(self, lease: Lease) -> None:
        third = self._leaser.ttl.total_seconds() / 3
        pause = third
        while not lease.lost:
            await anyio.sleep(pause)
            try:
                await self._leaser.renew(lease)
            except StoreError as error:
                if pause == third:
                    _LOG.warning("lease %s cannot be renewed now: %s", lease.name, error)
                pause = third / 10
            else:
                pause = third
        self._group.cancel_scope.cancel()

    async def _watch(self, lease: Lease) -> None:
        # Apart from the renewal, which may hang on a frozen server for longer than we may trust.
        # It may run out between two looks at the clock: a sleep must not be negative.
        while not lease.lost:  # noqa: ASYNC110 - it waits for a time, and renewals move it
            await anyio.sleep(max(lease.remaining(), 0.0))
        self._group.cancel_scope.cancel()
