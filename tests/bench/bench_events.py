"""How soon a committed row is a recorded event, how many a second are, and in how much memory."""

from __future__ import annotations

import gc
from contextlib import asynccontextmanager
from datetime import timedelta
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import anyio
import psutil
from support.detecting import AROUND, upsert, watch

from bench.database import database
from bench.result import Result
from pcd.changes.listener import Listener, ListenState
from pcd.clock import Clock
from pcd.db.leases import Leaser
from pcd.db.pool import Database
from pcd.events.channels import Channels
from pcd.events.recorder import SESSION, Recorder, Settings
from pcd.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pcd.changes.change import Change
    from pcd.events.event import Recorded

SAMPLES = 400
BURST = 5_000
ROUNDS = 5
WAITING = 100_000
OLD_POLL = 30.0
TABLE = "servicetitan.st_estimates"


class Watch:
    """When each estimate's event was recorded."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}
        self.count = 0
        self._news = anyio.Event()

    def __call__(self, events: Sequence[Recorded], _changes: Sequence[Change]) -> None:
        """Note the time of *events*."""
        now = perf_counter()
        for event in events:
            self.at[event.entity_id] = now
        self.count += len(events)
        self._news.set()
        self._news = anyio.Event()

    async def wait_for(self, count: int) -> None:
        """Return once *count* events were recorded."""
        while self.count < count:
            await self._news.wait()


async def measure(admin: str) -> list[Result]:
    """Return latencies beside a round trip's, the rate of bursts, and the memory that a backlog takes."""
    async with database(admin, "bench_events") as db:
        await watch(db)
        await db.execute(*upsert("customers", 7, name="Heron Court HOA", phone="5550100"))
        await _fill(db, SAMPLES * 2)
        async with _recorder(db) as (recorder, seen):
            await recorder.drain()
            trip, idle = await _latencies(db, recorder, seen, range(1, SAMPLES + 1), pause=0.05)
            busy_ids = range(SAMPLES + 1, 2 * SAMPLES + 1)
            busy_trip, busy = await _latencies(db, recorder, seen, busy_ids, pause=0.01)
        rates = [await _burst(db) for _ in range(ROUNDS)]
        small, large = await _memory(db, WAITING // 10), await _memory(db, WAITING)
    return [
        *_compare("row committed → event recorded, idle", trip, idle),
        *_compare("row committed → event recorded, 100 a second", busy_trip, busy),
        Result(
            what="events recorded a second, bursts of 5,000 rows",
            ours=f"{median(rates):,.0f} /s",
            against="",
            ratio="",
            goal="≥ 10,000 /s",
            holds=median(rates) >= 10_000,
        ),
        Result(
            what=f"memory while {WAITING:,} changes wait",
            ours=f"+{large:.0f} MiB",
            against=f"+{small:.0f} MiB, a tenth of them",
            ratio="",
            goal="flat: within 30 MiB",
            holds=large - small <= 30,
        ),
    ]


@asynccontextmanager
async def _recorder(db: Database) -> AsyncIterator[tuple[Recorder, Watch]]:
    own = await Database.connect(db.url, pool_size=2, settings=SESSION)
    leaser, seen = Leaser(db, holder="bench", ttl=timedelta(minutes=5), clock=Clock()), Watch()
    try:
        async with leaser.hold("events", wait=timedelta(seconds=5)) as lease:
            recorder = Recorder(
                own,
                lease=lease,
                settings=Settings(surroundings=AROUND),
                channels=Channels(),
                clock=Clock(),
                observe=seen,
            )
            await recorder.prepare()
            yield recorder, seen
    finally:
        await own.close()


async def _latencies(
    db: Database, recorder: Recorder, seen: Watch, ids: Sequence[int], *, pause: float
) -> tuple[list[float], list[float]]:
    """Return how long a SELECT 1 took, and how long an event after its row's commit, in turns."""
    trips, latencies = [], []
    listener = Listener(
        db.url, poll_interval=timedelta(seconds=30), clock=Clock(), on_wake=recorder.wake, metrics=Metrics()
    )
    async with db.session() as writer, db.session() as idler, anyio.create_task_group() as tasks:
        await tasks.start(lambda *, task_status: recorder.run(task_status=task_status))
        await tasks.start(lambda *, task_status: listener.run(task_status=task_status))
        await listener.wait_for(ListenState.LISTENING)
        for st_id in ids:
            await anyio.sleep(pause / 2)
            began = perf_counter()
            await idler.fetchval("SELECT 1")
            trips.append(perf_counter() - began)
            await anyio.sleep(pause / 2)
            before = seen.count
            await writer.execute(f"UPDATE {TABLE} SET status = 'Sold' WHERE st_id = $1", st_id)
            committed = perf_counter()
            await seen.wait_for(before + 1)
            latencies.append(seen.at[st_id] - committed)
        tasks.cancel_scope.cancel()
    return sorted(trips), sorted(latencies)


async def _burst(db: Database) -> float:
    """Return how many events a second are recorded of 5,000 rows changed by ten statements."""
    await _fill(db, BURST)
    async with _recorder(db) as (recorder, seen):
        await recorder.drain()
        before = seen.count
        for part in range(10):
            await db.execute(f"UPDATE {TABLE} SET status = 'Sold' WHERE st_id % 10 = $1", part)
        began = perf_counter()
        await recorder.drain()
        seconds = perf_counter() - began
        return (seen.count - before) / seconds


async def _memory(db: Database, rows: int) -> float:
    """Return by how many MiB this process grows at most while *rows* waiting changes are recorded."""
    async with _recorder(db) as (recorder, _):
        await recorder.drain()
    await _fill(db, rows)
    async with _recorder(db) as (recorder, _), anyio.create_task_group() as tasks:
        gc.collect()
        process = psutil.Process()
        before: int = process.memory_info().rss
        peak = before

        async def look() -> None:
            nonlocal peak
            while True:
                peak = max(peak, process.memory_info().rss)
                await anyio.sleep(0.05)

        tasks.start_soon(look)
        await recorder.drain()
        tasks.cancel_scope.cancel()
    return (peak - before) / 2**20


async def _fill(db: Database, rows: int) -> None:
    """Have *rows* open estimates, all of them new."""
    await db.execute(f"DELETE FROM {TABLE}", timeout=timedelta(minutes=2))
    await db.execute("TRUNCATE pcd.outbox, pcd.departed, automation.events, automation.event_keys")
    await db.execute(
        f"INSERT INTO {TABLE} (st_id, tenant_id, status, total, customer_id, job_id, name, full_data) "
        "SELECT n, 1000, 'Open', 1250.5, 7, n, 'Heat pump and automation', '{}' "
        "FROM generate_series(1, $1::integer) AS n",
        rows,
        timeout=timedelta(minutes=2),
    )


def _compare(what: str, trips: list[float], latencies: list[float]) -> list[Result]:
    """Return the median and the 99th percentile of *latencies* beside a round trip, and the old poll."""
    trip = median(trips)
    lines = []
    for name, share, goal in (("median", 0.5, 8), ("p99", 0.99, 60)):
        found = latencies[int(len(latencies) * share)]
        lines.append(
            Result(
                what=f"{what}, {name}",
                ours=f"{found * 1000:.2f} ms",
                against=f"SELECT 1: {trip * 1000:.2f} ms; the old poll: up to {OLD_POLL:.0f} s",
                ratio=f"{found / trip:.1f}",
                goal=f"≤ {goal}",
                holds=found / trip <= goal,
            )
        )
    return lines
