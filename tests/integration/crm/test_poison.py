"""One record that PostgreSQL does not take must not keep the others from being copied or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.selling import selling

from pcd.crm import outbox

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio


async def test_name_with_a_nul_keeps_no_other_contact_from_being_copied(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path) as company:
        broken = company.sim.person.add_contact(first_name="Ot\0ter", email="otter@heron.example")
        whole = company.sim.person.add_contact(first_name="Teal", email="teal@heron.example")
        await company.works.puller.pull(full=True, by="test")
        rows = await db.fetch("SELECT ghl_id, first_name FROM integrations.ghl_contacts")
        assert {row["ghl_id"]: row["first_name"] for row in rows} == {
            broken.id: "Ot\ufffdter",
            whole.id: "Teal",
        }


async def test_value_that_no_column_holds_keeps_no_other_card_from_being_copied(
    db: Database, tmp_path: Path
) -> None:
    async with selling(db, tmp_path) as company:
        for st_id in (7, 8):
            await company.customer(st_id)
        await company.settle()
        first, second = company.sim.store.opportunities
        company.sim.person.set_value(first, 1e18)
        company.sim.person.set_value(second, 450.5)
        await company.works.puller.pull(full=True, by="test")
        rows = await db.fetch("SELECT ghl_id, monetary_value FROM integrations.ghl_opportunities")
        values = {row["ghl_id"]: row["monetary_value"] for row in rows}
        assert values[first] is None
        assert float(values[second]) == 450.5


async def test_answer_that_cannot_be_stored_holds_up_its_own_lane_alone(db: Database, tmp_path: Path) -> None:
    """The tables are shared: a constraint of somebody else's must not have us write there for ever."""
    async with selling(db, tmp_path) as company:
        await db.execute("ALTER TABLE integrations.ghl_contacts ADD CHECK (city <> 'Nowhere')")
        await company.customer(7, city="Nowhere")
        await company.customer(8, city="Tampa")
        await company.settle()
        assert [each[0] for each in company.cards()] == ["c8@example.com"]
        (dead,) = await outbox.dead(db)
        assert (dead["customer_id"], dead["kind"], dead["attempts"]) == (7, "create_contact", 1)
        before = len(company.sim.calls.writes)
        await company.catch_up()
        assert len(company.sim.calls.writes) == before
