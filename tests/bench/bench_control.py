"""How the daemon answers while it works hard, how soon it leaves, and how soon another one takes over."""

from __future__ import annotations

import signal
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import anyio
from prometheus_client.parser import text_string_to_metric_families
from support.daemons import Home, running
from support.servers import processes

from bench.asking import asking, p99
from bench.database import database
from bench.result import Result
from bench.serving import bare, simulator
from pcd.control.client import connect
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from bench.asking import Asked
    from pcd.db.pool import Database

NOTE = """\
Answers: the daemon, the simulated ServiceTitan (niced), the asker and a bare server that does nothing each
have a process of their own, beside PostgreSQL's; all of them share the cores. The bare server is asked by the
same asker at the same moments: what it takes is the machine's share of each figure."""

RECORDS = 200_000
FULL_SYNCS = 5
LEASE = 4.0
_PATHS = ("metrics", "health")
_BARE = "a bare server"
_SIZE = 30_000
_PATIENCE = 120.0
_LOOK_EVERY = 0.2


class _Phase(NamedTuple):
    """What was seen while *what* was done. *lag* is the loop's p99, rounded up to a bucket's end."""

    what: str
    took: dict[str, list[float]]
    late: float
    lag: float


async def measure(admin: str) -> list[Result]:
    """Return answer times and loop lag during full syncs, and the seconds of a leave and of a takeover."""
    async with simulator(RECORDS) as url:
        async with database(admin, "bench_answers") as db, bare(_SIZE) as idle:
            phases = await _answers(url, idle, db)
        left = await _leave(url)
        async with database(admin, "bench_takeover") as db:
            taken = await _takeover(url, db.url)
    return [
        *(line for phase in phases for line in _told(phase)),
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


def _told(phase: _Phase) -> Iterator[Result]:
    machine = p99(phase.took[_BARE])
    for name in _PATHS:
        ours = p99(phase.took[name])
        yield Result(
            what=f"/{name} while {phase.what}, p99",
            ours=f"{ours * 1000:.1f} ms",
            against=f"{_BARE}: {machine * 1000:.1f} ms ({len(phase.took[name])} requests each)",
            ratio=f"{ours / machine:.1f}",
            goal="< 20 ms",
            holds=ours < 0.02,
        )
    yield Result(
        what="event loop lag meanwhile, p99",
        ours=f"<= {phase.lag * 1000:.0f} ms",
        against=f"the asker's: {phase.late * 1000:.1f} ms",
        ratio="",
        goal="< 25 ms",
        holds=phase.lag <= 0.025,
    )


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


async def _answers(url: str, idle: str, db: Database) -> list[_Phase]:
    """Return what was seen during the first load, which writes each record, and while all is read again."""
    with _home(url, database__url=db.url) as home:
        async with running(home):
            address = (await home.until(_is_syncing))["http"]
            async with asking({name: address + name for name in _PATHS} | {_BARE: idle}) as asked:
                load = await _seen(asked, address, f"{RECORDS:,} records are loaded", partial(_loaded, db))
                again = f"{RECORDS:,} records are synced {FULL_SYNCS} times"
                return [load, await _seen(asked, address, again, partial(_synced, home))]


async def _seen(asked: Asked, address: str, what: str, work: Callable[[], Awaitable[None]]) -> _Phase:
    """Return what the asker sees and the daemon tells of its event loop during *work*."""
    before = await _lags(address)
    asked.clear()
    await work()
    took = {name: list(times) for name, times in asked.took.items()}
    return _Phase(what, took, p99(asked.late), _p99(before, await _lags(address)))


async def _loaded(db: Database) -> None:
    """Return once every resource was loaded. The daemon is not asked: it has enough to do."""
    loaded = "SELECT count(*) FROM pcd.cursors WHERE first_load_completed_at IS NOT NULL"
    with anyio.fail_after(_PATIENCE):
        while await db.fetchval(loaded) < len(RESOURCES):  # noqa: ASYNC110 - another process loads
            await anyio.sleep(_LOOK_EVERY)


async def _synced(home: Home) -> None:
    async with connect(home.socket) as client:
        for _ in range(FULL_SYNCS):
            report = await client.call("sync.run", {"mode": "full"})
            assert report["is_complete"], report


async def _lags(address: str) -> dict[float, float]:
    """Return how often the event loop was late, by the bound that it stayed below."""
    async with aiohttp.ClientSession() as session, session.get(f"{address}metrics") as answer:
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


def _is_syncing(status: dict[str, Any]) -> bool:
    return bool(status["http"]) and status["under_way"] is not None
