"""A call to which nobody answered may have been carried out, and meanwhile ServiceTitan changes its mind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.lives import send_once
from support.selling import LIMITLESS, selling

from pcd.sim.trouble import Trouble

if TYPE_CHECKING:
    from pathlib import Path

    from support.selling import Selling

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

EMAIL = "c7@example.com"


@pytest.mark.parametrize("allow", [False, True], ids=["one each", "duplicates allowed"])
@pytest.mark.parametrize("trouble", [Trouble.RESET_AFTER, Trouble.REFUSED_AFTER])
async def test_opportunity_made_without_an_answer_follows_what_happened_meanwhile(
    db: Database, tmp_path: Path, trouble: Trouble, allow: bool
) -> None:
    """It carries the name and the stage of before, and is not made a second time."""
    settings = replace(LIMITLESS, allow_duplicate_contact=allow, allow_duplicate_opportunity=allow)
    async with selling(db, tmp_path, settings=settings) as company:
        company.sim.troubles.plan(trouble, method="POST", path="^/opportunities/$")
        await company.customer(7)
        await _send_in_vain(company)
        await company.job(1, 7)
        await company.estimate(1, 7, job_id=1, total=800)
        await company.settle()
        assert company.cards() == [(EMAIL, "Appointment Completed - Proposal Sent", "open", "800")]
        (card,) = company.sim.store.opportunities.values()
        assert card.name == "Heron Court 7 - Heat pump - $800"


async def test_stage_follows_where_the_name_stayed(db: Database, tmp_path: Path) -> None:
    """What is looked for has the same name, so it is found; it is not yet where it should be."""
    async with selling(db, tmp_path) as company:
        company.sim.troubles.plan(Trouble.SERVER_ERROR_AFTER, method="POST", path="^/opportunities/$")
        await company.customer(7)
        await _send_in_vain(company)
        await company.job(1, 7)
        await company.appointment(1, 1)
        await company.settle()
        assert company.cards() == [(EMAIL, "Appointment Scheduled", "open", "0")]


async def test_contact_made_without_an_answer_gets_the_address_that_came_meanwhile(
    db: Database, tmp_path: Path
) -> None:
    """We have made it, so its address is not somebody else's to be kept."""
    async with selling(db, tmp_path) as company:
        company.sim.troubles.plan(Trouble.RESET_AFTER, method="POST", path="^/contacts/$")
        await company.customer(7, city="Tampa")
        await _send_in_vain(company)
        await company.customer(7, city="Heron Bay")
        await company.catch_up()
        (contact,) = company.sim.store.contacts.values()
        assert contact.city == "Heron Bay"


async def test_update_without_an_answer_is_undone_when_the_facts_go_back(
    db: Database, tmp_path: Path
) -> None:
    """What was applied before it is not what stands there."""
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.estimate(1, 7, total=800)
        await company.settle()
        company.sim.troubles.plan(Trouble.RESET_AFTER, method="PUT", path="^/opportunities/")
        await company.estimate(1, 7, total=900)
        await _send_in_vain(company)
        assert [card[3] for card in company.cards()] == ["900"]
        await company.estimate(1, 7, total=800)
        await company.settle()
        assert [card[3] for card in company.cards()] == ["800"]


async def _send_in_vain(company: Selling) -> None:
    """Send what is owed; what nobody answered to is not looked for before the test goes on."""
    sender = company.works.sender
    pace, sender._pace = sender._pace, replace(sender._pace, doubt=timedelta(hours=1))
    await send_once(company)
    sender._pace = pace
    assert await company.db.fetchval("SELECT bool_or(is_doubtful) FROM integrations.ghl_outbox")
    await company.db.execute(
        "UPDATE integrations.ghl_outbox SET due_at = clock_timestamp() WHERE state = 'owed'"
    )
