"""Random lives of customers under faults of every kind: at the end each has one contact and the right card.

Short by default; PCD_SOAK_ROUNDS looks longer.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.lives import Life, expected, live, shown, without_lost_values
from support.selling import LIMITLESS, selling

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
)


@pytest.mark.parametrize("allow", [False, True], ids=["one each", "duplicates allowed"])
@pytest.mark.parametrize("seed", range(1, ROUNDS + 1))
async def test_every_customer_ends_with_one_contact_and_the_right_card(
    db: Database, tmp_path: Path, seed: int, allow: bool
) -> None:
    """The writes that were neither refused nor lost are those that were needed: one for each owed call."""
    chance = random.Random(seed)
    settings = replace(LIMITLESS, allow_duplicate_contact=allow, allow_duplicate_opportunity=allow)
    async with selling(db, tmp_path, settings=settings) as company:
        company.sim.troubles.switch(replace(STORM, seed=seed))
        lives = await _histories(company, chance)
        company.sim.troubles.switch(TroubleRates())
        await db.execute("UPDATE integrations.ghl_outbox SET due_at = now() WHERE state = 'owed'")
        await company.catch_up()
        assert without_lost_values(shown(company)) == without_lost_values(expected(lives))
        await _check_calls(company)
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
        if chance.random() < 0.3:
            await company.settle()
        if chance.random() < 0.05:
            await company.catch_up()
    await company.settle()
    return lives


async def _check_calls(company: Selling) -> None:
    rows = await company.db.fetch(
        "SELECT kind, state, count(*) AS calls FROM integrations.ghl_outbox "
        "WHERE state <> 'superseded' GROUP BY kind, state"
    )
    counts = {(row["kind"], row["state"]): row["calls"] for row in rows}
    assert {state for _, state in counts} == {"done"}
    committed = company.sim.calls.committed
    created = [call for call in committed if call.method == "POST" and call.path == "/contacts/"]
    assert len(created) == CUSTOMERS == len(company.sim.store.contacts)
    opened = [call for call in committed if call.method == "POST" and call.path == "/opportunities/"]
    assert len(opened) == CUSTOMERS == len(company.sim.store.opportunities)
    answered = [call for call in committed if call.method == "PUT" and call.status == 200]
    updates = sum(calls for (kind, _), calls in counts.items() if not kind.startswith("create"))
    unsure = [call for call in committed if call.method == "PUT" and call.status != 200]
    assert updates - len(unsure) <= len(answered) <= updates
