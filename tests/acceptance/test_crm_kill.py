"""kill -9 of the daemon while it speaks to GoHighLevel: nothing is lost, and nobody is there twice."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from support.accounting import books
from support.daemons import Home, started
from support.lives import Life, expected, live, shown, without_lost_values
from support.selling import LIMITLESS, Written, shipped_ghl

from pcd.sim.ghl.subaccount import open_subaccount
from pcd.sim.trouble import TroubleRates

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("PCD_SOAK_ROUNDS", "2"))
# The program needs a second to start and another one until the dead one's lease has expired.
EARLIEST, LATEST = 1.0, 3.0
LOST = TroubleRates(
    reset=0.05,
    server_error_after=0.05,
    reset_after=0.05,
    refused_after=0.1,
    hang_after=0.05,
    hang_seconds=0.5,
)
_QUIET = """
SELECT NOT EXISTS (SELECT FROM pcd.outbox)
   AND (SELECT max(sequence) FROM automation.events) = (SELECT event_sequence FROM pcd.crm_progress)
   AND NOT EXISTS (SELECT FROM pcd.crm_dirty)
   AND NOT EXISTS (SELECT FROM integrations.ghl_outbox WHERE state IN ('owed', 'sending'))
"""
_IS_GONE = (
    "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pcd ghl' AND datname = $1)"
)
_UNDER_WAY = "SELECT count(*) FROM integrations.ghl_outbox WHERE state = 'sending'"


async def test_every_customer_is_there_once_whenever_the_daemon_is_killed(
    db: Database, tmp_path: Path
) -> None:
    """And no more is written than was needed, but for what nobody had answered."""
    chance = random.Random(ROUNDS)
    async with open_subaccount(settings=replace(LIMITLESS)) as subaccount:
        company = Written(db, subaccount.simulator)
        await company.watch()
        home = Home(
            tmp_path,
            {
                "database.url": db.url,
                "leases.ttl": "1s",
                "events.poll_interval": "1s",
                **shipped_ghl(subaccount.simulator, subaccount.url, search_lag="200ms"),
            },
        )
        # Enabled before anybody comes: they are all new.
        async with started(home, "run", "--only", "events,ghl") as daemon:
            await daemon.until_state("ghl sender", "running")
        lives = [Life(number, random.Random(chance.random())) for number in range(1, ROUNDS * 6 + 1)]
        writing, cut = anyio.Event(), 0
        async with anyio.create_task_group() as group:
            group.start_soon(_write, company, lives, chance, writing)
            subaccount.simulator.troubles.switch(LOST)
            for _ in range(ROUNDS):
                async with started(home, "run", "--only", "events,ghl") as daemon:
                    await anyio.sleep(chance.uniform(EARLIEST, LATEST))
                    await _pushing(db)
                    daemon.process.kill()
                cut += await _cut_off(db)
            await writing.wait()
        subaccount.simulator.troubles.switch(TroubleRates())
        async with started(home, "run", "--only", "events,ghl") as daemon:
            await daemon.until_state("ghl sender", "running")
            await _quiet(db)
            done = await home.command("ghl", "reconcile")
            assert done.code == 0, done.err
            await _quiet(db)
        assert without_lost_values(shown(company)) == without_lost_values(expected(lives)), daemon.text
        store = subaccount.simulator.store
        counted = await books(db, subaccount.simulator)
        assert counted.made == len(store.contacts) + len(store.opportunities) == 2 * len(lives)
        counted.check(cut=cut)


async def _pushing(db: Database) -> None:
    """Return while a call is under way, or when none is to come."""
    with anyio.move_on_after(20):
        while not await db.fetchval(_UNDER_WAY) and not await db.fetchval(_QUIET):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.002)


async def _cut_off(db: Database) -> int:
    """Return how many calls the killed daemon had taken, once its last statement is over."""
    name = await db.fetchval("SELECT current_database()")
    with anyio.fail_after(30):
        while not await db.fetchval(_IS_GONE, name):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.05)
    count: int = await db.fetchval(_UNDER_WAY)
    return count


async def _quiet(db: Database) -> None:
    """Return once nothing is left to be done."""
    with anyio.fail_after(60):
        while not await db.fetchval(_QUIET):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.1)


async def _write(company: Written, lives: list[Life], chance: random.Random, done: anyio.Event) -> None:
    under_way = [(life, life.steps()) for life in lives]
    while under_way:
        one = chance.choice(under_way)
        step = next(one[1], None)
        if step is None:
            under_way.remove(one)
        else:
            await live(company, step)
            await anyio.sleep(chance.uniform(0.05, 0.2))
    done.set()
