"""Keep what others stand on, each behind a gate: the database, ServiceTitan's consent, the lease."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from pcd.db.migrate import migrate
from pcd.db.pool import Database, Usage
from pcd.errors import StoreError, StoreUnreachable, Unauthorized
from pcd.servicetitan.checker import check
from pcd.servicetitan.decode import SERVICE
from pcd.supervisor import Gate
from pcd.telemetry.metrics import DATABASE_CONNECTIONS, DATABASE_PING, DATABASE_UP, LEASE_HELD

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.db.leases import Lease, Leaser
    from pcd.servicetitan.client import ServiceTitan
    from pcd.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)
_PING_EVERY = 5.0
_PING_WITHIN = timedelta(seconds=5)
_FAILED_PINGS = 2
_LOOK_EVERY = 1.0
# Shorter than this is a hiccup, or ServiceTitan asking for patience.
_AWAY = 15.0
_NEVER = float("-inf")
_MAIN, _WATCH = "main", "watch"

T = TypeVar("T")


class DatabaseKeeper:
    """A service: holds the connection to the database, brought up to date, and opens *gate* while it answers.

    *server* yields the URL, and keeps an embedded server running meanwhile. *prepare* is awaited before the
    gate opens. `answered_at` and `looked_at` are the heartbeat's pulse.
    """

    name = "database"

    def __init__(
        self,
        server: Callable[[Callable[[str], None]], AbstractAsyncContextManager[str]],
        *,
        pool_size: int,
        prepare: Callable[[Database], Awaitable[None]],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self.gate = Gate("waiting for the database")
        self.answered_at = _NEVER
        self._server = server
        self._pool_size = pool_size
        self._prepare = prepare
        self._clock = clock
        self._metrics = metrics
        self._pools: dict[str, Database | None] = {}
        self._asked_at: float | None = None
        metrics.refresh_with(self._count_connections)

    @property
    def db(self) -> Database:
        """The database; raises StoreUnreachable while there is none."""
        return self._pool_named(_MAIN)

    @property
    def spare(self) -> Database:
        """A few connections that no bulk work waits for: for leases and for the daemon's own questions."""
        return self._pool_named(_WATCH)

    @property
    def looked_at(self) -> float:
        """When the database was last asked; now while we wait for it, which is bounded by itself."""
        return self._clock.monotonic() if self._asked_at is None else self._asked_at

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Connect, migrate, watch; raises StoreUnreachable when the database stops answering."""
        try:
            async with self._server(self._tell) as url, _connected(url, self._pool_size, self._tell) as pools:
                self._pools |= pools
                await self._migrate(self.db)
                await self._prepare(self.db)
                self.gate.open()
                task_status.started()
                await self._watch(self.spare)
        finally:
            self._pools |= {_MAIN: None, _WATCH: None}
            self._asked_at = None
            self._metrics.set(DATABASE_UP, 0)
            self.gate.close("waiting for the database")

    @asynccontextmanager
    async def pool(
        self, name: str, *, size: int, settings: Mapping[str, str], wait: timedelta | None = None
    ) -> AsyncGenerator[Database]:
        """Hold *size* connections of one's own at most, counted under *name*, whose sessions have *settings*.

        Waits for the server for *wait* at most (None: for ever).
        """
        db = await Database.connect(
            self.db.url, pool_size=size, application_name=f"pcd {name}", settings=settings, wait=wait
        )
        self._pools[name] = db
        try:
            yield db
        finally:
            self._pools[name] = None
            await db.close()

    def _pool_named(self, name: str) -> Database:
        found = self._pools.get(name)
        if found is None:
            raise StoreUnreachable(self.gate.reason)
        return found

    def _count_connections(self) -> None:
        for name, db in self._pools.items():
            usage = db.usage if db else Usage(busy=0, idle=0, most=0)
            for state, count in usage._asdict().items():
                self._metrics.set(DATABASE_CONNECTIONS, count, pool=name, state=state)

    def _tell(self, sentence: str) -> None:
        self.gate.close(sentence)
        _log.warning("%s", sentence)

    async def _migrate(self, db: Database) -> None:
        self.gate.close("the database is being brought up to date")
        if steps := await migrate(db, on_step=lambda step: _log.debug("migrate: %s", step)):
            _log.info("database: brought up to date in %d steps", steps)

    async def _watch(self, db: Database) -> None:
        failed = 0
        while True:
            began = self._asked_at = self._clock.monotonic()
            try:
                await db.fetchval("SELECT 1", timeout=_PING_WITHIN)
            except StoreError:
                failed += 1
                self._metrics.set(DATABASE_UP, 0)
                if failed >= _FAILED_PINGS:
                    raise
            else:
                failed = 0
                self.answered_at = self._clock.monotonic()
                self._metrics.set(DATABASE_UP, 1)
                self._metrics.observe(DATABASE_PING, self.answered_at - began)
            await anyio.sleep(_PING_EVERY)


class AccessKeeper:
    """A service: opens *gate* once ServiceTitan accepts the credentials.

    While it refuses them the service is broken with the text that names the key. When ServiceTitan cannot
    be reached the gate opens all the same: the requests themselves are tried again, and `trouble` says so.
    `doubt` asks for another look.
    """

    name = "servicetitan"

    def __init__(self, st: ServiceTitan) -> None:
        self.gate = Gate("ServiceTitan has not accepted the credentials yet")
        self._st = st
        self._doubted = anyio.Event()
        self._away_since: float | None = None

    @property
    def away_seconds(self) -> float:
        """For how long ServiceTitan has given no good answer, 0 while it does."""
        return 0.0 if self._away_since is None else anyio.current_time() - self._away_since

    @property
    def trouble(self) -> str:
        """That ServiceTitan has not answered for a while, ``""`` when it does."""
        seconds = self.away_seconds
        if seconds < _AWAY:
            return ""
        return f"servicetitan: no good answer for {seconds:.0f} s; requests are tried again, the log says why"

    def doubt(self) -> None:
        """Have the credentials looked at again: everything failed."""
        self._doubted.set()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Ask at the start and whenever in doubt; raises Unauthorized when ServiceTitan says no."""
        try:
            while True:
                self._doubted = anyio.Event()
                verdict = await check(self._st)
                if verdict.is_certain and not verdict.is_good:
                    raise Unauthorized(verdict.text, service=SERVICE)
                if not self.gate.is_open:
                    _log.log(logging.INFO if verdict.is_good else logging.WARNING, "%s", verdict.text)
                self.gate.open()
                task_status.started()
                await self._watch()
        finally:
            self._away_since = None
            self.gate.close("the credentials for ServiceTitan are missing or refused")

    async def _watch(self) -> None:
        """Note since when ServiceTitan is away, until somebody doubts the credentials."""
        while not self._doubted.is_set():
            if not self._st.is_away:
                self._away_since = None
            elif self._away_since is None:
                self._away_since = anyio.current_time()
            with anyio.move_on_after(_LOOK_EVERY):
                await self._doubted.wait()


class LeaseKeeper(Generic[T]):
    """A service: holds lease *lease* while it can, and opens *gate* with what *furnish* makes under it.

    Where another daemon holds the lease it waits, for ever, and says for whom.
    """

    def __init__(
        self,
        lease: str,
        *,
        name: str = "lease",
        leaser: Callable[[], Leaser],
        furnish: Callable[[Lease], T],
        metrics: Metrics,
    ) -> None:
        self.name = name
        self.gate = Gate(f"waiting for lease {lease}")
        self._lease = lease
        self._leaser = leaser
        self._furnish = furnish
        self._metrics = metrics
        self._work: T | None = None

    @property
    def work(self) -> T:
        """What was made for the present term; raises StoreError outside of one."""
        if self._work is None:
            raise StoreError(self.gate.reason)
        return self._work

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Hold the lease until cancelled; raises LeaseLost when another daemon took it."""
        leaser = self._leaser()
        try:
            async with leaser.hold(self._lease, on_wait=self._tell) as lease:
                self._work = self._furnish(lease)
                self._metrics.set(LEASE_HELD, 1, lease=self._lease)
                self.gate.open()
                task_status.started()
                await anyio.sleep_forever()
        finally:
            self._work = None
            self._metrics.set(LEASE_HELD, 0, lease=self._lease)
            self.gate.close(f"waiting for lease {self._lease}")

    def _tell(self, sentence: str) -> None:
        self.gate.close(sentence)
        _log.info("%s", sentence)


@asynccontextmanager
async def _connected(
    url: str, pool_size: int, tell: Callable[[str], None]
) -> AsyncGenerator[Mapping[str, Database]]:
    """Hold the pool, and a small one beside it: a busy pool is not a dead database."""
    pools: dict[str, Database] = {}
    try:
        for pool, name, size in ((_MAIN, "pcd", pool_size), (_WATCH, "pcd watch", 2)):
            pools[pool] = await Database.connect(url, pool_size=size, application_name=name, on_wait=tell)
        yield pools
    finally:
        # At once: each may have to be given up, and a daemon that stops has ten seconds for everything.
        async with anyio.create_task_group() as group:
            for db in pools.values():
                group.start_soon(db.close)
