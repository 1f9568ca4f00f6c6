"""A simulated ServiceTitan and everything that mirrors it into a database of the test's own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import orjson

from pcd.clock import Clock
from pcd.config import Secret, ServiceTitanConfig
from pcd.db.leases import Leaser
from pcd.fetcher import open_session
from pcd.servicetitan.client import ServiceTitan
from pcd.servicetitan.limiter import Limiter
from pcd.sim.clock import SimClock
from pcd.sim.company import found
from pcd.sim.life import Life
from pcd.sim.server import Simulator, serve
from pcd.sim.settings import SimSettings
from pcd.sim.store import Store
from pcd.sync.request import Mode, Report, Request
from pcd.sync.syncer import Syncer
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from pcd.db.leases import Lease
    from pcd.db.pool import Database
    from pcd.sim.server import Route
    from pcd.tables.spec import Resource

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Mirror:
    """The simulator, the syncer and the database between which records travel."""

    sim: Spoiler
    db: Database
    st: ServiceTitan
    syncer: Syncer
    lease: Lease

    async def run(
        self, mode: Mode, *only: str, since: datetime | None = None, accept_gone: bool = False
    ) -> Report:
        """Carry out one sync."""
        request = Request(mode=mode, only=only, since=since, accept_gone=accept_gone, triggered_by="test")
        return await self.syncer.run(request, lease=self.lease)

    async def differences(self) -> dict[str, str]:
        """Return how each table differs from upstream; empty when the mirror is exact."""
        return await differing(self.sim, self.db)

    async def stamps(self) -> dict[str, set[tuple[int, int]]]:
        """Return ``(st_id, xmin)`` of every row of every mirrored table."""
        return await stamps(self.db)


async def stamps(db: Database) -> dict[str, set[tuple[int, int]]]:
    """Return ``(st_id, xmin)`` of every row of every mirrored table of *db*."""
    tables = sorted({resource.table for resource in RESOURCES.values()})
    found = {
        table: {
            (row[0], row[1])
            for row in await db.fetch(f"SELECT st_id, xmin::text::bigint FROM servicetitan.{table}")
        }
        for table in tables
    }
    rows = await db.fetch("SELECT st_assignment_id, xmin::text::bigint FROM servicetitan.job_technicians")
    return found | {"job_technicians": {(row[0], row[1]) for row in rows}}


async def differing(sim: Simulator, db: Database) -> dict[str, str]:
    """Return how each table of *db* differs from what *sim* serves; empty when the mirror is exact."""
    found = {name: await _difference(sim, db, resource) for name, resource in RESOURCES.items()}
    return {name: text for name, text in found.items() if text}


async def _difference(sim: Simulator, db: Database, resource: Resource) -> str:
    served = {row.id: sim.records(resource.name, rows=[row])[0] for row in sim.store[resource.name].rows()}
    scope = "".join(f" AND {name} = '{value}'" for name, value in resource.constants.items())
    rows = await db.fetch(
        f"SELECT st_id, full_data::text AS text FROM servicetitan.{resource.table} "
        f"WHERE st_deleted_at IS NULL{scope}"
    )
    stored = {row["st_id"]: row["text"] for row in rows}
    if served.keys() != stored.keys():
        missing, extra = served.keys() - stored.keys(), stored.keys() - served.keys()
        return f"missing {sorted(missing)[:5]}, extra {sorted(extra)[:5]}"
    unequal = [key for key, body in served.items() if orjson.loads(body) != orjson.loads(stored[key])]
    return f"{len(unequal)} differ, the first {unequal[0]}" if unequal else ""


def small_company(*, now: datetime = NOW) -> Store:
    """Return two years of a company of forty customers until *now*, the same every time."""
    store = Store(clock=SimClock(now, speed=0.0))
    found(store, seed=7, customers=40, years=2, now=now)
    return store


class HurriedClock(Clock):
    """Real time in which every wait is skipped."""

    def __init__(self) -> None:
        """Skip nothing yet."""
        self._skipped = 0.0

    def now(self) -> datetime:
        """Return the time, as if all that was skipped had passed."""
        return super().now() + timedelta(seconds=self._skipped)

    def monotonic(self) -> float:
        """Return seconds, as if all that was skipped had passed."""
        return super().monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        """Skip *seconds*."""
        self._skipped += seconds
        await anyio.lowlevel.checkpoint()


class Spoiler(Simulator):
    """A simulator that answers requests for the resources in *spoil* with what they are given there."""

    spoil: Mapping[str, Callable[[Mapping[str, str]], bytes]] = MappingProxyType({})

    def _body(self, route: Route, *, params: Mapping[str, str]) -> bytes:
        spoil = self.spoil.get(route.resource.name)
        return spoil(params) if spoil else super()._body(route, params=params)


@asynccontextmanager
async def mirrored(
    db: Database,
    store: Store,
    *,
    settings: SimSettings | None = None,
    technician_roles: Mapping[int, str] = MappingProxyType({}),
) -> AsyncIterator[Mirror]:
    """Serve *store* and yield what mirrors it into *db*."""
    sim = Spoiler(store, settings=settings or quick())
    clock = HurriedClock()
    leaser = Leaser(db, holder="test", ttl=timedelta(seconds=30), clock=Clock())
    async with (
        serve(sim) as url,
        open_session() as session,
        leaser.hold("sync", wait=timedelta(seconds=5)) as lease,
    ):
        st = ServiceTitan(
            credentials(url),
            session=session,
            clock=clock,
            limiter=Limiter(per_second=10_000, clock=clock, sleep=clock.sleep),
            sleep=clock.sleep,
        )
        syncer = Syncer(
            db,
            st,
            resources=RESOURCES,
            tenant_id=1000,
            lookback=timedelta(minutes=10),
            clock=clock,
            technician_roles=technician_roles,
        )
        yield Mirror(sim, db, st, syncer, lease)


@asynccontextmanager
async def living(store: Store) -> AsyncIterator[None]:
    """Let time pass over the company of *store*, fast, for the length of the block."""
    store.clock.speed = 1.0
    async with anyio.create_task_group() as tasks:
        await tasks.start(Life(store, store.clock, seed=3, pace=300).run)
        yield
        tasks.cancel_scope.cancel()


def quick(**changes: object) -> SimSettings:
    """Return settings under which nothing is slow, so that tests wait for work and not for limits."""
    return replace(SimSettings(requests_per_second=100_000, tokens_per_minute=100_000), **changes)  # type: ignore[arg-type]


def credentials(url: str, *, requests_per_second: float = 10_000) -> ServiceTitanConfig:
    """Return the simulator's own credentials at *url*."""
    return ServiceTitanConfig(
        api_url=url,
        auth_url=url,
        tenant_id="1000",
        client_id="sim-client",
        client_secret=Secret("sim-secret"),
        app_key=Secret("sim-app-key"),
        requests_per_second=requests_per_second,
    )
