"""Random lives of customers under faults of every kind: at the end each has one contact and the right card.

Short by default; PCD_SOAK_ROUNDS looks longer.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.accounting import books
from support.lives import Life, expected, live, send_once, shown, without_lost_values
from support.selling import LIMITLESS, selling

from pcd.ghl import caller
from pcd.sim.trouble import TroubleRates

if TYPE_CHECKING:
    from pathlib import Path

    from support.selling import Selling

    from pcd.db.pool import Database

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("PCD_SOAK_ROUNDS", "1"))
CUSTOMERS = 25 if ROUNDS > 1 else 12
STORM = TroubleRates(
    rate_limited=0.05,
    retry_seconds=0,
    server_error=0.05,
    reset=0.04,
    server_error_after=0.05,
    reset_after=0.05,
    refused_after=0.05,
    hang_after=0.01,
    hang_seconds=100,
)
# A read is tried until it is answered: what is counted is writes.
PATIENCE = replace(caller.PATIENCE, attempts=30, attempt=timedelta(seconds=1.5))


@pytest.mark.parametrize("allow", [False, True], ids=["one each", "duplicates allowed"])
@pytest.mark.parametrize("seed", range(1, ROUNDS + 1))
async def test_every_customer_ends_with_one_contact_and_the_right_card(
    db: Database, tmp_path: Path, seed: int, allow: bool
) -> None:
    """With as many writes as there were things to be told, and those that had to be sent again."""
    chance = random.Random(seed)
    settings = replace(LIMITLESS, allow_duplicate_contact=allow, allow_duplicate_opportunity=allow)
    async with selling(db, tmp_path, settings=settings) as company:
        company.works.client.caller._patience = PATIENCE
        company.sim.troubles.switch(replace(STORM, seed=seed))
        lives = await _histories(company, chance)
        company.sim.troubles.switch(TroubleRates())
        await db.execute("UPDATE integrations.ghl_outbox SET due_at = now() WHERE state = 'owed'")
        await company.catch_up()
        assert without_lost_values(shown(company)) == without_lost_values(expected(lives))
        store = company.sim.store
        counted = await books(db, company.sim)
        assert counted.made == len(store.contacts) + len(store.opportunities) == 2 * CUSTOMERS
        counted.check()
        calls = len(company.sim.calls)
        await company.catch_up()
        assert len(company.sim.calls) == calls


async def _histories(company: Selling, chance: random.Random) -> list[Life]:
    """Let customers live side by side, and keep GoHighLevel in step now and then."""
    lives = [Life(number, random.Random(chance.random())) for number in range(1, CUSTOMERS + 1)]
    under_way = [(life, life.steps()) for life in lives]
    while under_way:
        life, steps = chance.choice(under_way)
        step = next(steps, None)
        if step is None:
            under_way.remove((life, steps))
            continue
        await live(company, step)
        if chance.random() < 0.4:
            await chance.choice((company.settle, partial(send_once, company)))()
        if chance.random() < 0.05:
            await company.catch_up()
    await company.settle()
    return lives
