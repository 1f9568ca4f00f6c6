"""What stands in GoHighLevel already is adopted, and what is not certain waits for a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.selling import LIMITLESS, selling

from pcd.cli import ghl_words
from pcd.crm import explainer, preview

if TYPE_CHECKING:
    from pathlib import Path

    from support.selling import Selling

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("pulled", [True, False], ids=["copied", "looked up"])
async def test_half_of_the_customers_are_there_and_none_is_doubled(
    db: Database, tmp_path: Path, pulled: bool
) -> None:
    async with selling(db, tmp_path, pulled=False) as company:
        for st_id in range(1, 11):
            key = {"email": f"C{st_id}@Example.COM"} if st_id % 2 else {"phone": f"(813) 234-{st_id:04d}"}
            if st_id <= 5:
                await company.works.client.create_contact({"firstName": "Heron", **key})
        await company.works.puller.account()
        if pulled:
            await company.works.puller.pull(full=True, by="test")
        await company.works.premises.refresh(db)
        before = len(company.sim.calls)
        for st_id in range(1, 11):
            await company.customer(st_id)
        await company.settle()
        await company.catch_up()
        assert len(company.sim.store.contacts) == len(company.sim.store.opportunities) == 10
        assert await db.fetchval("SELECT count(*) FROM pcd.crm_customers WHERE contact_id IS NOT NULL") == 10
        if pulled:
            made = [call for call in company.sim.calls.writes if call.path == "/contacts/"]
            assert len(made) == 10
        calls = len(company.sim.calls)
        assert calls > before
        await company.catch_up()
        assert len(company.sim.calls) == calls


async def test_contact_is_known_by_any_email_or_phone_of_the_customer(db: Database, tmp_path: Path) -> None:
    """GoHighLevel shows the office's e-mail, ServiceTitan another one first; looking costs no call."""
    async with selling(db, tmp_path, pulled=False) as company:
        await company.works.client.create_contact({"email": "office@example.com"})
        await company.works.client.create_contact({"phone": "+18132340099"})
        await company.works.puller.account()
        await company.works.puller.pull(full=True, by="test")
        await company.works.premises.refresh(db)
        before = len(company.sim.calls)
        emails = '[{"value": "c7@example.com"}, {"value": "Office@Example.com"}]'
        await company.customer(7, email_addresses=emails)
        await company.customer(8, email=None, phone_numbers='["813-234-0008", "813-234-0099", null, "none"]')
        await company.customer(9, email_addresses='{"not": "a list"}')
        await company.settle()
        assert len(company.sim.store.contacts) == 3
        assert [call for call in company.sim.calls[before:] if not call.is_write] == []
        matched = await db.fetch("SELECT customer_id, matched_by FROM pcd.crm_customers ORDER BY customer_id")
        assert [tuple(row) for row in matched] == [(7, "further key"), (8, "further key"), (9, "created")]


async def test_card_of_the_old_worker_is_taken_over(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path, pulled=False) as company:
        stages = company.config.ghl.pipelines.sales
        contact = await company.works.client.create_contact({"email": "c7@example.com"})
        card = await company.works.client.create_opportunity(
            {
                "pipelineId": stages.id,
                "pipelineStageId": stages.stages.contacted,
                "name": "Heron Court",
                "status": "open",
                "contactId": contact.id,
            }
        )
        await company.works.puller.account()
        await company.works.puller.pull(full=True, by="test")
        await company.works.premises.refresh(db)
        await company.customer(7)
        await company.job(1, 7)
        await company.estimate(1, 7, job_id=1, total=800)
        await company.settle()
        assert list(company.sim.store.opportunities) == [card.id]
        assert company.cards() == [("c7@example.com", "Appointment Completed - Proposal Sent", "open", "800")]


async def test_two_contacts_for_one_customer_are_parked_until_a_person_decides(
    db: Database, tmp_path: Path
) -> None:
    async with selling(db, tmp_path, pulled=False) as company:
        by_email = await company.works.client.create_contact({"email": "c7@example.com"})
        await company.works.client.create_contact({"phone": "+18132340007"})
        await company.works.puller.account()
        await company.works.premises.refresh(db)
        before = len(company.sim.calls.writes)
        await company.customer(7)
        await company.settle()
        assert len(company.sim.calls.writes) == before
        assert [
            row["customer_id"] for row in await db.fetch("SELECT customer_id FROM pcd.crm_conflicts")
        ] == [7]
        assert "pcd ghl link" in ghl_words.conflicts(await explainer.conflicts(db))
        found = await company.works.client.get_contact(by_email.id)
        assert found is not None
        await company.works.performer.adopt(7, found)
        await company.works.marker.take_in([7], cause="command")
        await company.settle()
        assert await db.fetchval("SELECT count(*) FROM pcd.crm_conflicts") == 0
        assert len(company.sim.store.contacts) == 2
        assert [card[1] for card in company.cards()] == ["Contacted"]


async def test_contact_of_another_customer_is_not_taken(db: Database, tmp_path: Path) -> None:
    """Two customers share an e-mail: the second is parked, and does not rename the first."""
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.settle()
        await company.customer(8, email="c7@example.com")
        await company.settle()
        assert len(company.sim.store.contacts) == 1
        assert await db.fetchval("SELECT array_agg(customer_id) FROM pcd.crm_conflicts") == [8]
        text = ghl_words.conflicts(await explainer.conflicts(db))
        assert "(customer 7's)" in text
        assert "merge the two customers" in text
        assert "pcd ghl link" not in text, "it would be refused"


@pytest.mark.parametrize(
    ("is_merged", "contacts"),
    [(False, 2), (True, 1)],
    ids=["an address of one's own", "merged"],
)
async def test_conflict_that_servicetitan_has_settled_is_not_listed_any_more(
    db: Database, tmp_path: Path, is_merged: bool, contacts: int
) -> None:
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.customer(8, email="c7@example.com")
        await company.settle()
        parked = await db.fetchval("SELECT array_agg(customer_id) FROM pcd.crm_conflicts")
        assert parked in ([7], [8])
        other = ({7, 8} - set(parked)).pop()
        if is_merged:
            await company.write("customers", parked[0], merged_to_id=other, active=False)
        else:
            await company.customer(parked[0], email="own@example.com")
        await company.catch_up()
        assert len(company.sim.store.contacts) == contacts
        assert await db.fetchval("SELECT count(*) FROM pcd.crm_conflicts") == 0


async def test_two_customers_of_one_contact_are_told_apart_when_they_come_together(
    db: Database, tmp_path: Path
) -> None:
    async with selling(db, tmp_path, pulled=False) as company:
        await company.works.client.create_contact({"email": "office@example.com"})
        await company.works.puller.account()
        await company.works.puller.pull(full=True, by="test")
        await company.works.premises.refresh(db)
        for st_id in (7, 8):
            await company.customer(st_id, email="office@example.com", phone=None)
        await company.settle()
        assert len(company.sim.store.contacts) == len(company.sim.store.opportunities) == 1
        assert await db.fetchval("SELECT count(*) FROM pcd.crm_conflicts") == 1
        assert await db.fetchval("SELECT count(*) FROM pcd.crm_customers WHERE contact_id IS NOT NULL") == 1


async def test_value_that_a_person_changed_is_kept_until_the_facts_change(
    db: Database, tmp_path: Path
) -> None:
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.estimate(1, 7, total=800)
        await company.settle()
        (card,) = company.sim.store.opportunities.values()
        await company.works.client.update_opportunity(card.id, {"monetaryValue": 999})
        await company.works.puller.opportunities(full=True, by="test")
        before = len(company.sim.calls.writes)
        await company.customer(7, city="Tampa")
        await company.catch_up()
        changed = [
            call for call in company.sim.calls.writes[before:] if call.path.startswith("/opportunities")
        ]
        assert changed == []
        assert await _kept(company) == ["monetaryValue"]
        await company.estimate(1, 7, total=850)
        await company.settle()
        assert [each[3] for each in company.cards()] == ["850"]
        assert await _kept(company) == []


async def test_card_that_somebody_deleted_is_made_anew_when_the_facts_change(
    db: Database, tmp_path: Path
) -> None:
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.settle()
        (card,) = company.sim.store.opportunities
        company.sim.store.opportunities.remove(card)
        await company.estimate(1, 7, total=800)
        await company.settle()
        assert [each[1] for each in company.cards()] == ["Appointment Completed - Proposal Sent"]


async def test_contact_that_somebody_deleted_is_made_anew_when_the_facts_change(
    db: Database, tmp_path: Path
) -> None:
    """Its card went with it: the refusal of another card is what tells."""
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.settle()
        (contact,) = company.sim.store.contacts
        company.sim.person.delete_contact(contact)
        await company.estimate(1, 7, total=800)
        await company.settle()
        assert contact not in company.sim.store.contacts
        assert [each[1] for each in company.cards()] == ["Appointment Completed - Proposal Sent"]
        assert await db.fetchval("SELECT count(*) FROM integrations.ghl_outbox WHERE state = 'dead'") == 0


async def test_what_somebody_deleted_is_a_difference_until_the_facts_change(
    db: Database, tmp_path: Path
) -> None:
    """It is shown, and not made anew before: a person chose so."""
    async with selling(db, tmp_path) as company:
        for st_id in (7, 8, 9):
            await company.customer(st_id)
        await company.settle()
        cards = {
            company.sim.store.contacts[card.contact_id].email: card
            for card in company.sim.store.opportunities.values()
        }
        lost, bare = cards["c7@example.com"], cards["c8@example.com"]
        company.sim.person.delete_contact(lost.contact_id)
        company.sim.store.opportunities.remove(bare.id)
        for table in ("ghl_contacts", "ghl_opportunities"):
            await db.execute(f"UPDATE integrations.{table} SET local_synced_at = now() - interval '3 min'")
        await company.works.puller.pull(full=True, by="test")
        before = len(company.sim.calls.writes)
        await company.catch_up()
        found = [each async for each in preview.differences(db, company.works.premises)]
        assert len(company.sim.calls.writes) == before
        assert [(each["customer_id"], each["what"], each["target"]) for each in found] == [
            (7, "deleted", lost.contact_id),
            (7, "deleted", lost.id),
            (8, "deleted", bare.id),
        ]
        text = ghl_words.differences(found)
        assert "contact deleted in GoHighLevel" in text
        assert text.count("opportunity deleted in GoHighLevel") == 2
        for st_id in (7, 8):
            await company.estimate(st_id, st_id, total=800)
        await company.settle()
        assert len(company.cards()) == 3
        assert [each async for each in preview.differences(db, company.works.premises)] == []


async def test_what_their_search_does_not_show_yet_is_not_taken_for_deleted(
    db: Database, tmp_path: Path
) -> None:
    """A full pull right behind our own writes meets neither the contact nor the card that we made."""
    async with selling(
        db, tmp_path, settings=replace(LIMITLESS, search_lag=timedelta(seconds=30))
    ) as company:
        await company.customer(7)
        await company.settle()
        pulled = await company.works.puller.pull(full=True, by="test")
        assert [(each.fetched, each.gone) for each in pulled] == [(0, 0), (0, 0)]
        assert [each async for each in preview.differences(db, company.works.premises)] == []


async def _kept(company: Selling) -> list[str]:
    rows = await company.db.fetch(
        "SELECT each ->> 'field' AS field FROM pcd.crm_customers, jsonb_array_elements(kept) AS each"
    )
    return [row["field"] for row in rows]
