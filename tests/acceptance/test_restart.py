"""A database that crashes in the middle of a sync: the mirror is exact in the end."""

from __future__ import annotations

import os
import random
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from support.mirroring import differing, living, quick, small_company, stamps
from support.program import completed, started, write_config

from pcd.db.pool import Database
from pcd.sim.server import Simulator, serve

if TYPE_CHECKING:
    from pathlib import Path

    from support.servers import OwnServer

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(1800)]

ROUNDS = int(os.environ.get("PCD_SOAK_ROUNDS", "3"))
EARLIEST, LATEST = 0.6, 1.6


async def test_mirror_is_exact_after_the_database_crashed_in_the_middle_of_syncs(
    own_server: OwnServer, tmp_path: Path
) -> None:
    """What was under way goes on by itself or is reported; upstream changes meanwhile."""
    store = small_company()
    chance = random.Random(ROUNDS)
    sim = Simulator(store, settings=quick(export_page_size=20))
    output = tmp_path / "output.log"
    async with serve(sim) as url:
        config = write_config(tmp_path, database_url=own_server.url, servicetitan_url=url, ttl="30s")
        hit = 0
        async with living(store):
            for number in range(ROUNDS):
                mode = "incremental" if number % 3 == 2 else "full"
                async with started(config, "sync", mode, output=output) as process:
                    await anyio.sleep(chance.uniform(EARLIEST, LATEST))
                    hit += process.returncode is None
                    await own_server.restart()
                    assert await process.wait() in {0, 1}
        assert await completed(config, "sync", "full", output=output) == 0, output.read_text()
        db = await Database.connect(own_server.url, wait=timedelta(seconds=10))
        assert not await differing(sim, db), output.read_text()
        before = await stamps(db)
        assert await completed(config, "sync", "full", output=output) == 0, output.read_text()
        assert await stamps(db) == before
        await db.close()
    assert hit > 0
    assert "Traceback" not in output.read_text()
