"""How soon an event is a call on the wire, how well a backfill uses the rate, what a repeat costs."""

from __future__ import annotations

import gc
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import anyio
import psutil
from support.selling import selling

from bench.database import database
from bench.result import Result
from pcd.changes.listener import Listener, ListenState
from pcd.clock import Clock
from pcd.crm.sender import Pace
from pcd.crm.watcher import Watcher
from pcd.crm.works import SESSION
from pcd.db.pool import Database
from pcd.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.selling import Selling

    from pcd.events.event import Recorded

SAMPLES = 200
CUSTOMERS = int(os.environ.get("PCD_BENCH_CUSTOMERS", "10000"))
RATE = 80
"""Calls a second that the limiter lets through: ten times the default of `ghl.requests_per_10s`."""


async def measure(admin: str) -> list[Result]:
    """Return the latency beside a round trip's, the share of the rate that a backfill uses, and a repeat."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with database(admin, "bench_crm") as db:
            latency = await _latency(db, folder)
        async with database(admin, "bench_crm_backfill") as db:
            return [*latency, *await _backfill(db, folder)]


async def _latency(db: Database, folder: Path) -> list[Result]:
    fast = await Database.connect(db.url, pool_size=8, settings=SESSION)
    async with selling(db, folder, pace=Pace(), fast=fast) as company:
        for st_id in range(1, SAMPLES + 1):
            await company.customer(st_id)
            await company.estimate(st_id, st_id, total=100)
        await company.settle()
        trips, latencies = await _samples(company)
    await fast.close()
    trip, found = median(trips), median(latencies)
    return [
        Result(
            what="event recorded → call on the wire, median",
            ours=f"{found * 1000:.2f} ms",
            against=f"SELECT 1: {trip * 1000:.2f} ms; the old worker: up to 300 s",
            ratio=f"{found / trip:.1f}",
            goal="≤ 15",
            holds=found / trip <= 15,
        )
    ]


async def _samples(company: Selling) -> tuple[list[float], list[float]]:
    """Return how long a SELECT 1 took, and how long a call after its event, in turns."""
    works, recorder = company.works, company.detection.recorder
    recorded_at: dict[int, float] = {}
    sent_at: list[float] = []
    news = anyio.Event()

    def note(events: Sequence[Recorded], _changes: object) -> None:
        recorded_at.update({event.entity_id: perf_counter() for event in events})

    request = works.client.caller._session._request

    async def sending(*arguments: object, **words: object) -> object:
        sent_at.append(perf_counter())
        news.set()
        return await request(*arguments, **words)  # type: ignore[arg-type]

    recorder._observe = note
    works.client.caller._session._request = sending  # type: ignore[assignment, method-assign]
    watcher = Watcher(
        marker=works.marker,
        reconciler=works.reconciler,
        lanes=works.lanes,
        channels=company.detection.channels,
    )
    listener = Listener(
        company.db.url,
        poll_interval=timedelta(seconds=30),
        clock=Clock(),
        on_wake=recorder.wake,
        metrics=Metrics(),
    )
    trips, latencies = [], []
    async with company.db.session() as idler, anyio.create_task_group() as tasks:
        for service in (recorder, listener, watcher, works.sender):
            await tasks.start(lambda *, task_status, service=service: service.run(task_status=task_status))
        await listener.wait_for(ListenState.LISTENING)
        for st_id in range(1, SAMPLES + 1):
            await anyio.sleep(0.05)
            began = perf_counter()
            await idler.fetchval("SELECT 1")
            trips.append(perf_counter() - began)
            news = anyio.Event()
            sent_at.clear()
            await company.estimate(st_id, st_id, total=100, status="Sold", sold_on=datetime.now(UTC))
            with anyio.fail_after(10):
                await news.wait()
            latencies.append(sent_at[0] - recorded_at[st_id])
            await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
    return trips, latencies


async def _backfill(db: Database, folder: Path) -> list[Result]:
    fast = await Database.connect(db.url, pool_size=8, settings=SESSION)
    async with selling(
        db, folder, begun=False, pace=Pace(), fast=fast, requests_per_10s=RATE * 10
    ) as company:
        await _fill(db)
        await company.works.marker.begin()
        await company.works.premises.refresh(db)
        process, peak = psutil.Process(), 0
        gc.collect()
        first = process.memory_info().rss
        before = company.sim.calls.total
        began = perf_counter()
        await company.clerk.backfill(since=datetime.now(UTC) - timedelta(days=180), most=None)
        async with anyio.create_task_group() as tasks:
            watcher = Watcher(
                marker=company.works.marker,
                reconciler=company.works.reconciler,
                lanes=company.works.lanes,
            )
            await tasks.start(lambda *, task_status: watcher.run(task_status=task_status))
            await tasks.start(lambda *, task_status: company.works.sender.run(task_status=task_status))
            half = 0
            while len(company.sim.store.contacts) < CUSTOMERS:
                await anyio.sleep(0.2)
                peak = process.memory_info().rss
                if len(company.sim.store.contacts) < CUSTOMERS // 2:
                    half = peak
            tasks.cancel_scope.cancel()
        seconds = perf_counter() - began
        calls = company.sim.calls.total - before
        await company.settle()
        repeat = company.sim.calls.total
        await company.catch_up()
        repeat = company.sim.calls.total - repeat
    await fast.close()
    used = calls / seconds / RATE
    return [
        Result(
            what=f"backfill of {CUSTOMERS:,} customers, calls a second",
            ours=f"{calls / seconds:,.1f} /s",
            against=f"allowed: {RATE} /s",
            ratio=f"{used:.2f}",
            goal="≥ 0.95",
            holds=used >= 0.95,
        ),
        Result(
            what="memory of a backfill, its second half",
            ours=f"+{(peak - half) / 2**20:.0f} MiB",
            against=f"first half: +{(half - first) / 2**20:.0f} MiB, the simulator's records included",
            ratio="",
        ),
        Result(
            what="calls of a second pass with nothing changed",
            ours=f"{repeat}",
            against="the old worker: 2 a customer each run",
            ratio="",
            goal="0",
            holds=repeat == 0,
        ),
    ]


async def _fill(db: Database) -> None:
    """Have customers from before GoHighLevel was enabled."""
    await db.execute(
        "INSERT INTO servicetitan.st_customers "
        "(st_id, tenant_id, name, email, phone, active, st_created_on, full_data) "
        "SELECT n, 1000, 'Heron Court ' || n, 'c' || n || '@example.com', '813' || (2340000 + n), true, "
        "now() - interval '1 year', '{}' FROM generate_series(1, $1::integer) AS n",
        CUSTOMERS,
        timeout=timedelta(minutes=2),
    )
