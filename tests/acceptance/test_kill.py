"""kill -9 at any instant: after the next sync the mirror is exactly what upstream has."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import anyio
import pytest
from support.mirroring import differing, living, quick, small_company
from support.program import completed, started, write_config

from pcd.sim.server import Simulator, serve

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(1800)]

ROUNDS = int(os.environ.get("PCD_SOAK_ROUNDS", "6"))
# A sync of the small company takes about a second and a half, the start of the program half of one.
EARLIEST, LATEST = 0.4, 1.6


async def test_mirror_is_exact_after_kills_at_random_moments(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    """Upstream changes meanwhile; nothing is lost and nothing is there twice."""
    store = small_company()
    chance = random.Random(ROUNDS)
    sim = Simulator(store, settings=quick(export_page_size=50))
    output = tmp_path / "output.log"
    async with serve(sim) as url:
        config = write_config(tmp_path, database_url=database_url, servicetitan_url=url)
        killed = 0
        async with living(store):
            for number in range(ROUNDS):
                mode = "full" if number % 3 == 0 else "incremental"
                async with started(config, "sync", mode, output=output) as process:
                    with anyio.move_on_after(chance.uniform(EARLIEST, LATEST)) as patience:
                        await process.wait()
                killed += patience.cancelled_caught
        assert await completed(config, "sync", "full", output=output) == 0, output.read_text()
        assert not await differing(sim, db), output.read_text()
        stuck = "SELECT count(*) FROM servicetitan.st_sync_log WHERE status = 'started'"
        assert await db.fetchval(stuck) == 0
        assert killed > 0
