"""What becomes of a call that is refused, lost, or not allowed at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from support.selling import LIMITLESS, selling

from pcd.crm import outbox
from pcd.crm.calls import Call, CallKind
from pcd.sim.trouble import Trouble

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

_DOUBLING = replace(LIMITLESS, allow_duplicate_contact=True, allow_duplicate_opportunity=True)


@pytest.mark.parametrize("trouble", [Trouble.RESET_AFTER, Trouble.SERVER_ERROR_AFTER, Trouble.REFUSED_AFTER])
@pytest.mark.parametrize("path", ["/contacts/", "/opportunities/"])
async def test_creation_without_an_answer_is_looked_up_before_it_is_tried_again(
    db: Database, tmp_path: Path, trouble: Trouble, path: str
) -> None:
    async with selling(db, tmp_path) as company:
        company.sim.troubles.plan(trouble, method="POST", path=f"^{path}$")
        await company.customer(7)
        await company.settle()
        assert len(company.sim.store.contacts) == len(company.sim.store.opportunities) == 1
        made = [call for call in company.sim.calls.committed if call.path == path]
        assert len(made) == 1


async def test_refusal_of_a_second_try_is_looked_up_like_that_of_a_first(
    db: Database, tmp_path: Path
) -> None:
    """A 422 may follow what was carried out, whatever happened before it."""
    async with selling(db, tmp_path, settings=_DOUBLING) as company:
        for trouble in (Trouble.SERVER_ERROR, Trouble.REFUSED_AFTER):
            company.sim.troubles.plan(trouble, method="POST", path="^/opportunities/$")
        await company.customer(7)
        await company.settle()
        assert await outbox.dead(db) == []
        await company.estimate(1, 7, total=800)
        await company.settle()
        assert len(company.sim.store.opportunities) == 1


async def test_call_that_takes_the_place_of_a_doubtful_one_is_doubtful_too(
    db: Database, tmp_path: Path
) -> None:
    """Nobody else would notice that the opportunity is there already."""
    async with selling(db, tmp_path, settings=_DOUBLING) as company:
        await company.customer(7)
        await company.settle()
        await db.execute("DELETE FROM integrations.ghl_opportunities")
        await db.execute("UPDATE pcd.crm_cycles SET opportunity_id = NULL, applied = NULL")
        await db.execute(
            "UPDATE integrations.ghl_outbox SET state = 'owed', attempts = 1, is_doubtful = true, "
            "due_at = now() + interval '1h', answered_at = NULL WHERE kind = 'create_opportunity'"
        )
        await company.customer(7, city="Heron Bay")
        await company.settle()
        assert len(company.sim.store.opportunities) == 1


async def test_dead_call_waits_for_a_person_and_is_sent_again(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.settle()
        stage = company.config.ghl.pipelines.sales.stages.appointment_completed_proposal_sent
        await db.execute(
            "INSERT INTO integrations.ghl_outbox "
            "(lane, customer_id, kind, cycle, target_id, fields, reason, cause) "
            "SELECT 'customer 7', 7, 'update_opportunity', 1, opportunity_id, $1, 'a test', 'test' "
            "FROM pcd.crm_cycles",
            f'{{"pipelineStageId": "{stage}", "status": "nonsense"}}',
        )
        await company.works.sender.empty()
        (dead,) = await outbox.dead(db)
        assert "nonsense" not in (dead["error"] or "")
        await db.execute(
            "UPDATE integrations.ghl_outbox SET fields = fields - 'status' WHERE id = $1", dead["id"]
        )
        assert await outbox.retry(db, None) == [dead["id"]]
        await company.works.sender.empty()
        assert [card[1] for card in company.cards()] == ["Appointment Completed - Proposal Sent"]


async def test_newer_plan_takes_the_place_of_a_dead_call(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.settle()
        await db.execute(
            "INSERT INTO integrations.ghl_outbox "
            "(lane, customer_id, kind, cycle, target_id, fields, reason, cause, state, error) "
            "SELECT 'customer 7', 7, 'update_opportunity', 1, opportunity_id, '{}', 'a test', 'x', 'dead', "
            "'no' FROM pcd.crm_cycles"
        )
        await company.estimate(1, 7, total=800)
        await company.settle()
        assert [card[3] for card in company.cards()] == ["800"]
        assert await outbox.dead(db) == []


async def test_breaker_opens_on_a_refused_token_and_closes_when_it_works(
    db: Database, tmp_path: Path
) -> None:
    async with selling(db, tmp_path) as company:
        token = company.sim.settings.token
        company.works.client.caller._authenticator._token = "pit-wrong"  # type: ignore[attr-defined]
        await company.customer(7)
        await company.settle()
        assert company.works.breaker.reason
        assert company.writes() == [] or company.sim.store.contacts == {}
        assert await db.fetchval("SELECT reason FROM pcd.crm_breaker") == company.works.breaker.reason
        company.works.client.caller._authenticator._token = token  # type: ignore[attr-defined]
        await db.execute("UPDATE integrations.ghl_outbox SET due_at = now()")
        await company.settle()
        await company.settle()
        assert company.works.breaker.reason == ""
        assert len(company.sim.store.opportunities) == 1


async def test_calls_of_an_ended_process_are_taken_over_as_doubtful(db: Database, tmp_path: Path) -> None:
    """It had made the contact, and ended before the answer was stored."""
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.detection.events()
        await company.works.marker.look_at_events()
        await company.works.reconciler.drain()
        (call,) = await company.works.outbox.claim(5, reserved=[], dry_run=False)
        await company.works.client.create_contact({"email": "c7@example.com"})
        assert call.kind == "create_contact"
        await company.settle()
        assert len(company.sim.store.contacts) == len(company.sim.store.opportunities) == 1


async def test_nothing_is_sent_after_the_switch_was_turned(db: Database, tmp_path: Path) -> None:
    """From shadow to live in one step: what was only recorded is sent."""
    async with selling(db, tmp_path, dry_run=True) as company:
        await company.customer(7)
        await company.settle()
        assert company.writes() == []
        clerk = company.clerk
        assert (await clerk.switch(is_live=True))["mode"] == "live"
        await company.settle()
        assert len(company.writes()) == 2
        assert (await clerk.switch(is_live=False))["mode"] == "shadow"
        await company.estimate(1, 7, total=800)
        await company.settle()
        assert len(company.writes()) == 2


async def test_backfill_says_what_it_costs_and_does_it_when_told(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path, begun=False) as company:
        for st_id in range(1, 21):
            await company.customer(st_id)
        await company.detection.events()
        await company.works.marker.begin()
        await company.works.premises.refresh(db)
        since = company.works.premises.baseline_at
        assert since is not None
        cost = await company.clerk.preview_backfill(since=since - timedelta(days=180), most=None)
        assert (cost["customers"], cost["writes"], company.writes()) == (20, 20, [])
        await company.clerk.backfill(since=since - timedelta(days=180), most=None)
        await company.settle()
        assert len(company.sim.store.contacts) == 20
        calls = len(company.sim.calls)
        await company.catch_up()
        assert len(company.sim.calls) == calls


async def test_two_calls_of_a_lane_are_never_under_way_however_late_one_is_committed(
    db: Database, tmp_path: Path
) -> None:
    """Ids are given before the commit: a step's call may come to light when a later one was taken already."""
    async with selling(db, tmp_path) as company:
        box = company.works.outbox
        call = Call(kind=CallKind.ADD_TAGS, fields={"tags": ["x"]}, why="test")
        async with db.transaction() as slow:
            first = await outbox.owe(
                slow, call, customer_id=7, why=outbox.Why(cause="test", step_key="first")
            )
            async with db.transaction() as quick:
                second = await outbox.owe(
                    quick, call, customer_id=7, why=outbox.Why(cause="test", step_key="second")
                )
            (taken,) = await box.claim(5, reserved=[], dry_run=False)
            assert taken.id == second > first
        assert await box.claim(5, reserved=[], dry_run=False) == []
        assert await box.until_next() is None
        async with db.transaction() as connection:
            await outbox.answer(connection, taken, target_id="c1", after={})
        (taken,) = await box.claim(5, reserved=[], dry_run=False)
        assert taken.id == first


async def test_step_that_is_quicker_than_the_new_contact_waits_for_it(db: Database, tmp_path: Path) -> None:
    """A workflow may begin with the event of which the customer has a contact only seconds later."""
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.detection.events()
        call = Call(kind=CallKind.ADD_TAGS, fields={"tags": ["new here"]}, why="test")
        async with db.transaction() as connection:
            await outbox.owe(connection, call, customer_id=7, why=outbox.Why(cause="test", step_key="first"))
        (taken,) = await company.works.outbox.claim(5, reserved=[], dry_run=False)
        assert await company.works.performer.perform(taken) == "the customer has no GoHighLevel contact (yet)"
        await company.works.outbox.postpone(taken, by=timedelta(), error="no contact")
        await company.settle()
        (contact,) = company.sim.store.contacts.values()
        assert "new here" in contact.tags
        assert len(company.cards()) == 1
        assert await outbox.dead(db) == []


async def test_step_for_a_customer_who_never_gets_a_contact_is_given_up(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path) as company:
        call = Call(kind=CallKind.ADD_TAGS, fields={"tags": ["x"]}, why="test")
        async with db.transaction() as connection:
            await outbox.owe(connection, call, customer_id=7, why=outbox.Why(cause="test", step_key="first"))
        with anyio.fail_after(10):
            while not await outbox.dead(db):
                await company.settle()
        (dead,) = await outbox.dead(db)
        assert dead["error"] == "the customer has no GoHighLevel contact (yet); tried 8 times"
        assert company.writes() == []
