"""How soon an event is a call on the wire, how well a backfill uses the rate, what a repeat costs."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import anyio
from support.selling import selling

from bench.database import database
from bench.pushing import pushing
from bench.result import Result
from bench.subaccount import subaccount
from pcd.changes.listener import Listener, ListenState
from pcd.clock import Clock
from pcd.crm.sender import Pace
from pcd.crm.watcher import Watcher
from pcd.crm.works import SESSION
from pcd.db.pool import Database
from pcd.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from support.selling import Selling

    from bench.pushing import Reached
    from pcd.events.event import Recorded

SAMPLES = 200
CUSTOMERS = int(os.environ.get("PCD_BENCH_CUSTOMERS", "10000"))
RATE = 80
"""Calls a second that the limiter lets through: ten times the default of `ghl.requests_per_10s`."""
UNKNOWN = 500
FLAT = 8
"""How many MiB of growth, after a quarter of the way, still are flat memory."""
_YEAR = timedelta(days=365)


async def measure(admin: str) -> list[Result]:
    """Return the latency beside a round trip's, the share of the rate that a backfill uses, and a repeat."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with database(admin, "bench_crm") as db:
            latency = await _latency(db, folder)
        async with database(admin, "bench_crm_unknown") as db:
            first = await _first_push(db, folder)
        async with database(admin, "bench_crm_backfill") as db:
            return [*latency, *first, *await _backfill(db, folder)]


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
    """Return how a backfill went, and what considering everybody once more costs."""
    await _fill(db, first=1, last=CUSTOMERS)
    async with (
        subaccount() as url,
        pushing(db, url, folder, requests_per_10s=RATE * 10, pulled=True) as pusher,
    ):
        pulled = await pusher.state()
        await pusher.clerk.backfill(since=datetime.now(UTC) - _YEAR, most=None)
        reached = await pusher.push(CUSTOMERS + CUSTOMERS // 2)
        pushed = await pusher.state()
        again = await pusher.once_more()
        return [
            *_used(reached),
            _cost(f"{CUSTOMERS:,} customers, their contacts pulled", CUSTOMERS, pulled, pushed, looks=0),
            Result(
                what="calls when all of them are considered again, nothing changed",
                ours=f"{again}",
                against="the old worker: 2 a customer each run",
                ratio="",
                goal="0",
                holds=again == 0,
            ),
        ]


async def _first_push(db: Database, folder: Path) -> list[Result]:
    """Return what a push costs that cannot know who is there already."""
    await _fill(db, first=1, last=UNKNOWN)
    async with (
        subaccount() as url,
        pushing(db, url, folder, requests_per_10s=RATE * 10, pulled=False) as pusher,
    ):
        before = await pusher.state()
        await pusher.clerk.backfill(since=datetime.now(UTC) - _YEAR, most=None)
        await pusher.push(UNKNOWN * 3 + UNKNOWN // 2)
        after = await pusher.state()
        return [_cost(f"{UNKNOWN:,} customers, nothing pulled", UNKNOWN, before, after, looks=2)]


def _used(reached: Sequence[Reached]) -> list[Result]:
    """Return the share of the rate, the processor time and the memory of a backfill."""
    first, quarter, last = reached[0], reached[1], reached[-1]
    seconds, calls = last.seconds - first.seconds, last.calls - first.calls
    used = calls / seconds / RATE
    shares = [
        (later.calls - before.calls) / (later.seconds - before.seconds) / RATE
        for before, later in pairwise(reached)
    ]
    grown = (last.memory - quarter.memory) / 2**20
    return [
        Result(
            what=f"backfill of {CUSTOMERS:,} customers, half with a card: calls a second",
            ours=f"{calls / seconds:,.1f} /s",
            against=f"allowed: {RATE} /s; by quarters: {', '.join(f'{one:.2f}' for one in shares)}",
            ratio=f"{used:.2f}",
            goal="≥ 0.95",
            holds=used >= 0.95,
        ),
        Result(
            what="processor time of its calls",
            ours=f"{(last.cpu_seconds - first.cpu_seconds) / calls * 1000:.1f} ms",
            against=f"between two calls: {1000 / RATE:.1f} ms",
            ratio="",
        ),
        Result(
            what="memory of it at 0, 25, 50, 75 and 100 %",
            ours=", ".join(f"{one.memory / 2**20:.0f}" for one in reached) + " MiB",
            against=f"from 25 % on: {grown:+.1f} MiB",
            ratio="",
            goal=f"≤ +{FLAT} MiB",
            holds=grown <= FLAT,
        ),
    ]


def _cost(
    what: str, customers: int, before: Mapping[str, Any], after: Mapping[str, Any], *, looks: int
) -> Result:
    """Return the calls a customer that the simulator saw between two states."""
    writes = (after["writes"] - before["writes"]) / customers
    reads = (after["calls"] - before["calls"]) / customers - writes
    made = {name: after["records"][name] for name in ("contacts", "opportunities")}
    return Result(
        what=f"first push of {what}",
        ours=f"{writes:.2f} writes, {reads:.2f} look-ups",
        against=f"{made['contacts']:,} contacts and {made['opportunities']:,} opportunities made",
        ratio="",
        goal=f"≤ 2 and {looks}",
        holds=writes <= 2
        and reads <= looks
        and made == {"contacts": customers, "opportunities": customers // 2},
    )


async def _fill(db: Database, *, first: int, last: int) -> None:
    """Have customers from before GoHighLevel was enabled; every second has an open estimate."""
    await db.execute(
        "INSERT INTO servicetitan.st_customers "
        "(st_id, tenant_id, name, email, phone, active, st_created_on, full_data) "
        "SELECT n, 1000, 'Heron Court ' || n, 'c' || n || '@example.com', '813' || (2340000 + n), true, "
        "now() - interval '1 year', '{}' FROM generate_series($1::integer, $2::integer) AS n",
        first,
        last,
        timeout=timedelta(minutes=2),
    )
    await db.execute(
        "INSERT INTO servicetitan.st_estimates "
        "(st_id, tenant_id, customer_id, name, status, total, active, st_created_on, st_modified_on, "
        "full_data) "
        "SELECT n, 1000, n, 'Heat pump', 'Open', 1200, true, now(), now(), '{}' "
        "FROM generate_series($1::integer, $2::integer) AS n WHERE n % 2 = 0",
        first,
        last,
        timeout=timedelta(minutes=2),
    )
