"""Customers who are merged in ServiceTitan: one contact and one card stay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.selling import selling

from pcd.crm import outbox
from pcd.crm.calls import Call, CallKind

if TYPE_CHECKING:
    from pathlib import Path

    from support.selling import Selling

    from pcd.db.pool import Database

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.asyncio


async def merge(company: Selling, gone: int, into: int, *jobs: int) -> None:
    """Merge a customer as ServiceTitan does: the row is marked, its *jobs* go over."""
    await company.write("customers", gone, merged_to_id=into, active=False)
    for job in jobs:
        await company.write("jobs", job, customer_id=into)


async def test_contact_and_card_go_over_to_a_customer_who_has_none(db: Database, tmp_path: Path) -> None:
    """Both have the same e-mail, so the second one was parked until now."""
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.job(70, 7)
        await company.appointment(700, 70)
        await company.settle()
        await company.customer(8, name="Heron Court", email="c7@example.com")
        await company.settle()
        assert await db.fetchval("SELECT array_agg(customer_id) FROM pcd.crm_conflicts") == [8]
        await merge(company, 7, 8, 70)
        await company.settle()
        (contact,) = company.sim.store.contacts.values()
        assert (contact.id, contact.first_name) == (
            await db.fetchval("SELECT contact_id FROM pcd.crm_customers WHERE customer_id = 8"),
            "Heron",
        )
        assert company.cards() == [("c7@example.com", "Appointment Scheduled", "open", "0")]
        assert await db.fetchval("SELECT count(*) FROM pcd.crm_conflicts") == 0
        assert await db.fetchval("SELECT count(*) FROM pcd.crm_customers WHERE customer_id = 7") == 0
        before = len(company.writes())
        await company.catch_up()
        assert len(company.writes()) == before


async def test_step_of_a_workflow_of_who_is_gone_is_done_for_the_heir(db: Database, tmp_path: Path) -> None:
    """The instance began before the merge, and names the customer who is gone."""
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.settle()
        await company.customer(8, created=LONG_AGO)
        await merge(company, 7, 8)
        await company.settle()
        call = Call(kind=CallKind.ADD_TAGS, fields={"tags": ["followed up"]}, why="test")
        async with db.transaction() as connection:
            await outbox.owe(connection, call, customer_id=7, why=outbox.Why(cause="test", step_key="first"))
        await company.settle()
        (contact,) = company.sim.store.contacts.values()
        assert "followed up" in contact.tags


async def test_customer_who_never_took_part_inherits_too(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.job(70, 7)
        await company.settle()
        await company.customer(8, created=LONG_AGO)
        await merge(company, 7, 8, 70)
        await company.settle()
        assert len(company.sim.store.contacts) == 1
        assert [card[2] for card in company.cards()] == ["open"]


async def test_both_keep_their_contact_and_one_card_stays(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path) as company:
        for customer in (7, 8):
            await company.customer(customer)
        await company.job(70, 7)
        await company.appointment(700, 70)
        await company.settle()
        await merge(company, 7, 8, 70)
        await company.catch_up()
        assert sorted(card[:3] for card in company.cards()) == [
            ("c7@example.com", "Appointment Scheduled", "abandoned"),
            ("c8@example.com", "Appointment Scheduled", "open"),
        ]
