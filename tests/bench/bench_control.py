"""How the daemon answers while it works hard, how soon it leaves, and how soon another one takes over."""

from __future__ import annotations

import signal
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
from prometheus_client.parser import text_string_to_metric_families
from support.daemons import Home, running
from support.mirroring import quick
from support.servers import processes

from bench.database import database
from bench.result import Result
from pcd.sim.clock import SimClock
from pcd.sim.company import bulk
from pcd.sim.server import Simulator, serve
from pcd.sim.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = 100_000
PAUSE = 0.02
LEASE = 4.0
NOW = datetime(2026, 3, 2, tzinfo=UTC)


async def measure(admin: str) -> list[Result]:
    """Return answer times and loop lag during a full sync, and the seconds of a leave and of a takeover."""
    store = Store(clock=SimClock(NOW, speed=0.0))
    bulk(store, "jobs", RECORDS, seed=1, now=NOW)
    async with serve(Simulator(store, settings=quick(export_page_size=5000))) as url:
        async with database(admin, "bench_answers") as db:
            answers, lag = await _answers(url, db.url)
        left = await _leave(url)
        async with database(admin, "bench_takeover") as db:
            taken = await _takeover(url, db.url)
    return [
        *(
            Result(
                what=f"{path} while {RECORDS:,} records are synced, p99",
                ours=f"{p99 * 1000:.1f} ms",
                against=f"{count} requests",
                ratio="",
                goal="< 20 ms",
                holds=p99 < 0.02,
            )
            for path, (p99, count) in answers.items()
        ),
        Result(
            what="event loop lag meanwhile, p99",
            ours=f"<= {lag * 1000:.0f} ms",
            against="",
            ratio="",
            goal="< 25 ms",
            holds=lag <= 0.025,
        ),
        Result(
            what="SIGTERM to exit, in a full sync over a frozen database",
            ours=f"{left:.1f} s",
            against="",
            ratio="",
            goal="< 10 s",
            holds=left < 10,
        ),
        Result(
            what="takeover by a standby after SIGKILL",
            ours=f"{taken:.1f} s",
            against=f"lease: {LEASE:g} s",
            ratio=f"{taken / LEASE:.2f}",
            goal="<= 1.5",
            holds=taken <= 1.5 * LEASE,
        ),
    ]


@contextmanager
def _home(url: str, **keys: object) -> Iterator[Home]:
    """Yield the home of a daemon that mirrors the simulator at *url*; every user may enter it."""
    with tempfile.TemporaryDirectory(prefix="pcd-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        settings = {
            "daemon.heartbeat_interval": "50ms",
            "servicetitan.api_url": url,
            "servicetitan.auth_url": url,
            "servicetitan.tenant_id": "1000",
            "servicetitan.client_id": "sim-client",
            "servicetitan.client_secret": "sim-secret",
            "servicetitan.app_key": "sim-app-key",
            "servicetitan.requests_per_second": 10000,
            "leases.ttl": f"{LEASE:g}s",
        }
        yield Home(folder, settings | {key.replace("__", "."): value for key, value in keys.items()})


async def _answers(url: str, database_url: str) -> tuple[dict[str, tuple[float, int]], float]:
    """Return the p99 and the number of answers by path, and the event loop's p99, during a full sync."""
    took: dict[str, list[float]] = {"/metrics": [], "/health": []}
    with _home(url, database__url=database_url) as home:
        async with running(home), aiohttp.ClientSession() as session:
            address = (await home.until(_is_loaded))["http"].rstrip("/")
            before = await _lags(session, address)
            async with anyio.create_task_group() as group:

                async def ask(path: str) -> None:
                    while True:
                        began = perf_counter()
                        async with session.get(address + path) as answer:
                            await answer.read()
                        took[path].append(perf_counter() - began)
                        await anyio.sleep(PAUSE)

                for path in took:
                    group.start_soon(ask, path)
                assert (await home.command("sync", "full")).code == 0
                group.cancel_scope.cancel()
            lag = _p99(before, await _lags(session, address))
    return {path: (quantiles(times, n=100)[-1], len(times)) for path, times in took.items()}, lag


async def _lags(session: aiohttp.ClientSession, address: str) -> dict[float, float]:
    """Return how often the event loop was late, by the bound that it stayed below."""
    async with session.get(f"{address}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
    (family,) = (each for each in families if each.name == "pcd_loop_lag_seconds")
    return {float(one.labels["le"]): one.value for one in family.samples if one.name.endswith("_bucket")}


def _p99(before: dict[float, float], after: dict[float, float]) -> float:
    """Return the bound that 99 of 100 observations since *before* stayed below."""
    counts = {bound: count - before[bound] for bound, count in after.items()}
    return min(bound for bound, count in counts.items() if count >= 0.99 * max(counts.values()))


async def _leave(url: str) -> float:
    """Return how long a daemon takes to end that syncs into a server of its own, which stands still."""
    with _home(url) as home:
        async with running(home) as daemon:
            await home.until(_is_syncing)
            frozen = processes(home.folder)
            for process in frozen:
                process.send_signal(signal.SIGSTOP)
            began = perf_counter()
            await daemon.stop()
            return perf_counter() - began


async def _takeover(url: str, database_url: str) -> float:
    """Return how long after the holder was killed the other one works."""
    with _home(url, database__url=database_url) as first, _home(url, database__url=database_url) as second:
        async with running(first) as holder:
            await holder.until_state("sync", "running")
            async with running(second) as standby:
                await standby.until_state("sync", "standby")
                began = perf_counter()
                holder.process.kill()
                await standby.until_state("sync", "running")
                return perf_counter() - began


def _is_loaded(status: dict[str, Any]) -> bool:
    loaded = all(each["first_load_completed_at"] for each in status["resources"])
    return bool(loaded and status["http"]) and status["under_way"] is None


def _is_syncing(status: dict[str, Any]) -> bool:
    return bool(status["http"]) and status["under_way"] is not None
