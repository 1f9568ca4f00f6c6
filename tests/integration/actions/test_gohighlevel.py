from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec
import pytest
from support.messaging import Known
from support.selling import Selling, selling

from pcd.actions import build
from pcd.clock import Clock
from pcd.crm import outbox
from pcd.sim.trouble import Trouble
from pcd.workflows.action import StepCall
from pcd.workflows.outcome import Done, Fail, Outcome, Retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio
INSTANCE = UUID(int=1)


@asynccontextmanager
async def opened(db: Database, tmp_path: Path) -> AsyncIterator[Selling]:
    """Yield a company whose customer 1 has a contact and an opportunity, by an estimate of theirs."""
    async with selling(db, tmp_path) as found:
        await found.customer(1)
        await found.job(10, 1)
        await found.estimate(20, 1, job_id=10)
        await found.settle()
        found.sim.calls.clear()
        yield found


async def perform(shop: Selling, name: str, given: dict[str, Any], **changes: Any) -> Outcome:  # noqa: ANN401
    config = changes.pop("config", shop.config)
    action = build(config, db=shop.db, ghl=None, clock=Clock())[name]

    async def allowed() -> str:
        return ""

    told: dict[str, Any] = {
        "instance_id": INSTANCE,
        "workflow": "test",
        "step": 2,
        "attempt": 1,
        "idempotency_key": f"{INSTANCE}:2",
        "parameters": msgspec.convert(given, action.parameters),
        "facts": Known({"job.number": "77"}),
        "customer_id": 1,
        "entity_type": "estimate",
        "entity_id": 20,
        "event_id": uuid4(),
        "still_allowed": allowed,
    }
    return await action.perform(StepCall(**{**told, **changes}))


def only_contact(shop: Selling) -> str:
    (contact_id,) = shop.sim.store.contacts
    return contact_id


@pytest.mark.parametrize("trouble", [None, Trouble.RESET_AFTER])
async def test_note_is_added_once_however_often_it_is_asked_for(
    db: Database, tmp_path: Path, trouble: Trouble | None
) -> None:
    async with opened(db, tmp_path) as shop:
        if trouble:
            shop.sim.troubles.plan(trouble, method="POST", path="/notes")
        for _ in range(3):
            assert isinstance(await perform(shop, "add_note", {"body": "Job {job.number} is done."}), Done)
            await shop.settle()
        assert [note.body for note in shop.sim.store.notes.values()] == ["Job 77 is done."]


@pytest.mark.parametrize("trouble", [None, Trouble.RESET_AFTER])
async def test_task_is_created_once(db: Database, tmp_path: Path, trouble: Trouble | None) -> None:
    async with opened(db, tmp_path) as shop:
        if trouble:
            shop.sim.troubles.plan(trouble, method="POST", path="/tasks")
        assert isinstance(await perform(shop, "create_task", {"title": "Call about {job.number}"}), Done)
        await shop.settle()
        assert [task.title for task in shop.sim.store.tasks.values()] == ["Call about 77"]


async def test_tags_come_and_go(db: Database, tmp_path: Path) -> None:
    async with opened(db, tmp_path) as shop:
        await perform(shop, "add_tags", {"tags": ["VIP", "pool"]})
        await shop.settle()
        contact = shop.sim.store.contacts[only_contact(shop)]
        assert {"vip", "pool"} <= set(contact.tags)
        await perform(shop, "remove_tags", {"tags": ["vip"]}, idempotency_key=f"{INSTANCE}:3")
        await shop.settle()
        assert "vip" not in shop.sim.store.contacts[only_contact(shop)].tags


async def test_enrolment_without_an_answer_waits_for_a_person(db: Database, tmp_path: Path) -> None:
    async with opened(db, tmp_path) as shop:
        shop.sim.troubles.plan(Trouble.RESET_AFTER, method="POST", path="/workflow/")
        theirs = shop.sim.settings.workflows[0].id
        assert isinstance(await perform(shop, "enrol_in_ghl_workflow", {"workflow_id": theirs}), Done)
        await shop.settle()
        rows = await shop.db.fetch("SELECT state, error FROM integrations.ghl_outbox WHERE kind = 'enrol'")
        assert [row["state"] for row in rows] == ["dead"]
        assert len(shop.sim.calls.to(f"/contacts/{only_contact(shop)}/workflow/{theirs}")) == 1
        await outbox.retry(shop.db, None)
        await shop.settle()
        rows = await shop.db.fetch("SELECT state FROM integrations.ghl_outbox WHERE kind = 'enrol'")
        assert [row["state"] for row in rows] == ["done"]


async def test_opportunity_moves_forward_and_never_back(db: Database, tmp_path: Path) -> None:
    async with opened(db, tmp_path) as shop:
        assert isinstance(await perform(shop, "move_opportunity", {"stage": "estimate_followup"}), Done)
        await shop.settle()
        stages = shop.config.ghl.pipelines.sales.stages
        (card,) = shop.sim.store.opportunities.values()
        assert card.stage_id == stages.estimate_followup
        shop.sim.calls.clear()
        for stage in ("contacted", "estimate_followup"):
            outcome = await perform(shop, "move_opportunity", {"stage": stage}, idempotency_key=f"k:{stage}")
            assert isinstance(outcome, Done)
            assert "kept" in outcome.output
        await shop.settle()
        assert shop.writes() == []


async def test_sold_opportunity_is_left_alone(db: Database, tmp_path: Path) -> None:
    async with opened(db, tmp_path) as shop:
        await shop.estimate(20, 1, job_id=10, status="Sold")
        await shop.settle()
        outcome = await perform(shop, "move_opportunity", {"stage": "estimate_lost", "status": "lost"})
        assert isinstance(outcome, Done)
        assert "kept" in outcome.output


async def test_customer_without_an_opportunity_is_tried_again(db: Database, tmp_path: Path) -> None:
    async with opened(db, tmp_path) as shop:
        outcome = await perform(shop, "move_opportunity", {"stage": "contacted"}, customer_id=2)
        assert isinstance(outcome, Retry)


async def test_customer_becomes_a_contact_because_a_step_says_so(db: Database, tmp_path: Path) -> None:
    async with opened(db, tmp_path) as shop:
        await shop.customer(2)
        await shop.detection.events()
        await shop.db.execute("DELETE FROM pcd.crm_customers WHERE customer_id = 2")
        assert isinstance(await perform(shop, "upsert_contact", {}, customer_id=2), Done)
        await shop.settle()
        assert len(shop.sim.store.contacts) == 2
        shop.sim.calls.clear()
        await perform(shop, "upsert_contact", {}, customer_id=2)
        await shop.settle()
        assert shop.writes() == []


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("add_note", {"body": "a"}),
        ("add_tags", {"tags": ["a"]}),
        ("move_opportunity", {"stage": "estimate_followup"}),
        ("upsert_contact", {}),
    ],
)
async def test_nothing_is_owed_while_gohighlevel_is_off(
    db: Database, tmp_path: Path, name: str, given: dict[str, Any]
) -> None:
    async with opened(db, tmp_path) as shop:
        config = msgspec.structs.replace(
            shop.config, ghl=msgspec.structs.replace(shop.config.ghl, enabled=False)
        )
        outcome = await perform(shop, name, given, config=config)
        assert outcome == Fail(error="ghl.enabled is off, so nothing can be done in GoHighLevel")


async def test_switch_that_is_off_records_the_call_and_sends_nothing(db: Database, tmp_path: Path) -> None:
    async with opened(db, tmp_path) as shop:
        config = msgspec.structs.replace(
            shop.config, ghl=msgspec.structs.replace(shop.config.ghl, dry_run=True)
        )
        outcome = await perform(shop, "add_note", {"body": "a"}, config=config)
        assert isinstance(outcome, Done)
        assert outcome.output["dry_run"] is True
        await shop.settle()
        assert shop.writes() == []
