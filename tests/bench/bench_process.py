"""What the processes cost: memory of a full sync by its size, the idle daemon, the start of a command."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, PIPE
from time import perf_counter
from typing import TYPE_CHECKING

import anyio
import psutil
from support.mirroring import quick, small_company
from support.program import started, write_config

from bench.database import database
from bench.result import Result
from pcd.sim.clock import SimClock
from pcd.sim.company import bulk
from pcd.sim.server import Simulator, serve
from pcd.sim.store import Store
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from pcd.db.pool import Database

SMALL, LARGE = 20_000, 200_000
IDLE_SECONDS = 60
NOW = datetime(2026, 3, 2, tzinfo=UTC)

# Runs the program and says at its end how much memory it had at most. Not by getrusage: its figure
# is the parent's where that was larger when it forked.
_PEAK = """
import re
from pathlib import Path
from pcd.__main__ import main
try:
    main()
finally:
    print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


async def measure(admin: str) -> list[Result]:
    """Return peak and idle memory in MB, idle CPU in per cent of a core, start-up in seconds."""
    small, large = [await _peak_of_full_sync(admin, count) for count in (SMALL, LARGE)]
    cpu, resident = await _idle(admin)
    help_seconds = await _help()
    return [
        Result(
            what="peak memory of a full sync",
            ours=f"{LARGE:,} records: {large} MB",
            against=f"{SMALL:,} records: {small} MB",
            ratio=f"{large / small:.2f}",
            goal="<= 1.2",
            holds=large <= 1.2 * small,
        ),
        Result(
            what="idle daemon, processor",
            ours=f"{cpu:.2f} % of a core",
            against=f"{IDLE_SECONDS} s",
            ratio="",
            goal="< 1 %",
            holds=cpu < 1,
        ),
        Result(
            what="idle daemon, resident memory",
            ours=f"{resident:.0f} MB",
            against="",
            ratio="",
            goal="< 90 MB",
            holds=resident < 90,
        ),
        Result(
            what="pcd --help",
            ours=f"{help_seconds:.2f} s",
            against="",
            ratio="",
            goal="< 0.3 s",
            holds=help_seconds < 0.3,
        ),
    ]


async def _peak_of_full_sync(admin: str, count: int) -> int:
    store = Store(clock=SimClock(NOW, speed=0.0))
    bulk(store, "jobs", count, seed=1, now=NOW)
    async with (
        database(admin, "bench_peak") as db,
        serve(Simulator(store, settings=quick(export_page_size=5000))) as url,
    ):
        with tempfile.TemporaryDirectory() as folder:
            config = write_config(Path(folder), database_url=db.url, servicetitan_url=url)
            words = ["sync", "full", "--only", "jobs", "--config", str(config)]
            done = await anyio.run_process([sys.executable, "-c", _PEAK, *words], stdin=DEVNULL)
        stored = await db.fetchval("SELECT count(*) FROM servicetitan.st_jobs")
        assert stored == count, f"{stored} of {count} records arrived"
        return int(done.stdout.split()[-1])


async def _idle(admin: str) -> tuple[float, float]:
    store = small_company()
    store.clock.speed = 1.0
    async with database(admin, "bench_idle") as db, serve(Simulator(store, settings=quick())) as url:
        with tempfile.TemporaryDirectory() as folder:
            config = write_config(Path(folder), database_url=db.url, servicetitan_url=url)
            async with started(config, "run") as process:
                await _first_load(db)
                seen = psutil.Process(process.pid)
                before, began = seen.cpu_times(), perf_counter()
                await anyio.sleep(IDLE_SECONDS)
                after, took = seen.cpu_times(), perf_counter() - began
                used = after.user + after.system - before.user - before.system
                return 100 * used / took, seen.memory_info().rss / 2**20


async def _first_load(db: Database) -> None:
    loaded = "SELECT count(*) FROM pcd.cursors WHERE first_load_completed_at IS NOT NULL"
    with anyio.fail_after(60):
        while await db.fetchval(loaded) < len(RESOURCES):  # noqa: ASYNC110 - another process loads
            await anyio.sleep(0.5)


async def _help() -> float:
    seconds = []
    for _ in range(5):
        began = perf_counter()
        await anyio.run_process([sys.executable, "-m", "pcd", "--help"], stdin=DEVNULL, stdout=PIPE)
        seconds.append(perf_counter() - began)
    return median(seconds)
