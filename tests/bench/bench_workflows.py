"""How many durable steps a second, how soon a first step begins, and what 100,000 waiting instances cost."""

from __future__ import annotations

from datetime import timedelta
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import anyio
import asyncpg
import psutil
from pgqueuer import Job, PgQueuer
from pgqueuer.types import QueueExecutionMode
from support.detecting import AROUND, upsert, watch
from support.working import Noting, definition, working

from bench.database import database
from bench.result import Result
from pcd.clock import Clock
from pcd.db.leases import Leaser
from pcd.db.pool import Database
from pcd.events.channels import Channels
from pcd.events.recorder import SESSION as RECORDER_SESSION
from pcd.events.recorder import Recorder, Settings
from pcd.workflows.outcome import Done
from pcd.workflows.runner import SESSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome
    from pcd.workflows.store import Settlement

AT_ONCE = 100
INSTANCES, STEPS = 2_000, 3
ROUNDS = 3
SAMPLES = 200
FEW, MANY = 1_000, 100_000


async def measure(admin: str) -> list[Result]:
    """Return the rates, the latency beside a round trip's, and the cost of waiting instances."""
    async with database(admin, "bench_workflows") as db:
        own = await Database.connect(db.url, pool_size=4, settings=SESSION)
        try:
            pairs = [(await _rate(db, own), await _pgqueuer(db)) for _ in range(ROUNDS)]
            (few, small), (many, large) = await _waiting(db, own, FEW), await _waiting(db, own, MANY)
            await _empty(db)
            trips, latencies = await _latencies(db, own)
        finally:
            await own.close()
    rates, theirs = zip(*pairs, strict=True)
    rate, trip, latency, their_rate = median(rates), median(trips), median(latencies), median(theirs)
    return [
        Result(
            what=f"durable no-op steps a second, every try recorded, {AT_ONCE} at once",
            ours=f"{rate:,.0f} /s",
            against="",
            ratio="",
            goal="≥ 2,000 /s",
            holds=rate >= 2_000,
        ),
        Result(
            what="the same beside PgQueuer's jobs a second",
            ours=f"{rate:,.0f} /s",
            against=f"{their_rate:,.0f} /s, dequeued 10 at a time",
            ratio=f"{rate / their_rate:.2f}",
            goal="≥ 0.5",
            holds=rate >= 0.5 * their_rate,
        ),
        Result(
            what="event recorded → first step begins, median",
            ours=f"{latency * 1000:.2f} ms",
            against=f"SELECT 1: {trip * 1000:.2f} ms",
            ratio=f"{latency / trip:.1f}",
            goal="≤ 10",
            holds=latency <= 10 * trip,
        ),
        Result(
            what=f"memory of a runner while {MANY:,} instances wait",
            ours=f"+{large:.0f} MiB",
            against=f"+{small:.0f} MiB while {FEW:,} do",
            ratio="",
            goal="flat: within 10 MiB",
            holds=large - small <= 10,
        ),
        Result(
            what=f"finding 10 due instances among {MANY:,} waiting",
            ours=f"{many * 1000:.2f} ms",
            against=f"{few * 1000:.2f} ms among {FEW:,}",
            ratio=f"{many / few:.1f}",
            goal="≤ 2",
            holds=many <= 2 * few,
        ),
    ]


async def _rate(db: Database, own: Database) -> float:
    """Return how many steps of instances that are due one runner takes a second."""
    await _empty(db)
    work = await working(own, definition(*({} for _ in range(STEPS))), at_once=AT_ONCE)
    await work.begin_many(INSTANCES)
    left, ended = INSTANCES * STEPS, anyio.Event()

    def count(settled: Sequence[Settlement]) -> None:
        nonlocal left
        left -= len(settled)
        if left == 0:
            ended.set()

    work.runner._observe = count
    began = perf_counter()
    async with work.running():
        await ended.wait()
        seconds = perf_counter() - began
    recorded = await db.fetchval("SELECT count(*) FROM automation.workflow_step_executions")
    assert recorded == INSTANCES * STEPS
    return INSTANCES * STEPS / seconds


async def _pgqueuer(db: Database) -> float:
    """Return how many no-op jobs PgQueuer takes a second, with its own settings, on one connection pool."""
    pool = await asyncpg.create_pool(db.url, min_size=2, max_size=4)
    queue = PgQueuer.from_asyncpg_pool(pool)
    count = INSTANCES * STEPS

    @queue.entrypoint("nothing")
    async def nothing(_job: Job) -> None:
        """Do nothing."""

    await queue.qm.queries.install()
    for _ in range(STEPS):
        await queue.qm.queries.enqueue(["nothing"] * INSTANCES, [None] * INSTANCES, [0] * INSTANCES)
    began = perf_counter()
    await queue.qm.run(mode=QueueExecutionMode.drain)
    seconds = perf_counter() - began
    await queue.qm.queries.uninstall()
    await pool.close()
    return count / seconds


async def _waiting(db: Database, own: Database, count: int) -> tuple[float, float]:
    """Return how long claiming ten due ones takes while *count* wait, and by how many MiB a runner grows."""
    await _empty(db)
    work = await working(own, definition(max_concurrent_per_customer=0))
    tomorrow = await db.fetchval("SELECT now() + interval '1 day'")
    for _ in range(0, count, 1_000):
        await work.begin_many(1_000, due_at=tomorrow)
    await work.begin_many(200)
    await db.execute("VACUUM ANALYZE automation.workflow_instances", timeout=timedelta(minutes=5))
    taken = []
    for _ in range(20):
        began = perf_counter()
        assert len(await work.store.claim(10)) == 10
        taken.append(perf_counter() - began)
    before = psutil.Process().memory_info().rss
    async with work.running():
        await anyio.sleep(1)
        grown = psutil.Process().memory_info().rss - before
    return median(taken), grown / 2**20


async def _latencies(db: Database, own: Database) -> tuple[list[float], list[float]]:
    """Return how long a SELECT 1 took, and how long after an event its first step began, in turns."""
    begun = anyio.Event()
    at: dict[str, float] = {}

    async def note(_call: StepCall) -> Outcome:
        at["begun"] = perf_counter()
        begun.set()
        return Done()

    await watch(db)
    work = await working(own, definition(max_concurrent_per_customer=0), action=Noting(note))
    channels, trips, latencies = Channels(), [], []
    lines = await Database.connect(db.url, pool_size=2, settings=RECORDER_SESSION)
    leaser = Leaser(db, holder="bench", ttl=timedelta(minutes=5), clock=Clock())
    async with leaser.hold("events", wait=timedelta(seconds=5)) as lease, anyio.create_task_group() as tasks:

        def observe(events: Sequence[object], _changes: object) -> None:
            if events:
                at["recorded"] = perf_counter()
                work.runner.wake()

        recorder = Recorder(
            lines,
            lease=lease,
            settings=Settings(surroundings=AROUND),
            channels=channels,
            clock=Clock(),
            observe=observe,
            follower=work.starter,
        )
        await recorder.prepare()
        await tasks.start(lambda *, task_status: work.runner.run(task_status=task_status))
        async with db.session() as idler:
            for st_id in range(1, SAMPLES + 1):
                await anyio.sleep(0.02)
                began = perf_counter()
                await idler.fetchval("SELECT 1")
                trips.append(perf_counter() - began)
                await db.execute(*upsert("estimates", st_id, status="Open", total=1500, customer_id=7))
                begun = anyio.Event()
                await recorder.drain()
                await begun.wait()
                latencies.append(at["begun"] - at["recorded"])
        tasks.cancel_scope.cancel()
    await lines.close()
    return trips, latencies


async def _empty(db: Database) -> None:
    await db.execute("TRUNCATE automation.workflow_instances, automation.workflow_step_executions")
