"""A stage of the configuration that GoHighLevel does not have, or not any more."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.selling import LIMITLESS, selling

from pcd.crm import outbox

if TYPE_CHECKING:
    from pathlib import Path

    from support.selling import Selling

    from pcd.db.pool import Database
    from pcd.sim.ghl.records import Pipeline

pytestmark = pytest.mark.asyncio

SALES = LIMITLESS.pipelines[0]
PROPOSED, LOST, SOLD = "Appointment Completed - Proposal Sent", "Estimate Lost", "Job Sold"


async def test_deleted_stage_stops_that_move_alone(
    db: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(LIMITLESS, pipelines=(_without(SOLD), *LIMITLESS.pipelines[1:]))
    async with selling(db, tmp_path, settings=settings) as company:
        await company.patroller.look_there()
        assert "has no stage job_sold" in caplog.text
        for st_id in (7, 8):
            await company.customer(st_id)
            await company.estimate(st_id, st_id, total=800)
        await company.settle()
        await company.estimate(7, 7, total=800, status="Sold", sold_on=datetime.now(UTC))
        await company.estimate(8, 8, total=800, status="Dismissed")
        await company.settle()
        assert _stages(company) == [PROPOSED, LOST]
        assert await _held(company) == [7]


async def test_stage_deleted_meanwhile_stops_its_moves_until_it_is_back(
    db: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first refusal tells; what else changes is written, no call dies, and nobody has to ask twice."""
    caplog.set_level(logging.INFO)
    async with selling(db, tmp_path) as company:
        for st_id in (7, 8):
            await company.customer(st_id)
            await company.estimate(st_id, st_id, total=800)
        await company.settle()
        company.sim.store.pipelines[SALES.id] = _without(SOLD)
        await company.estimate(7, 7, total=900, status="Sold", sold_on=datetime.now(UTC))
        await company.estimate(8, 8, total=800, status="Dismissed")
        await company.settle()
        assert [card[1:] for card in company.cards()] == [(PROPOSED, "won", "900"), (LOST, "lost", "800")]
        assert await _held(company) == [7]
        assert await outbox.dead(db) == []
        assert company.works.premises.missing == ("job_sold",)
        await company.patroller.look_there()
        assert "has no stage job_sold" in caplog.text
        calls = len(company.writes())
        await company.catch_up()
        assert len(company.writes()) == calls
        company.sim.store.pipelines[SALES.id] = SALES
        await company.clerk.reconcile()
        await company.settle()
        assert _stages(company) == [SOLD, LOST]
        assert await _held(company) == []
        assert "every configured stage is there again" in caplog.text


async def test_new_opportunity_waits_for_the_stage_that_was_deleted(db: Database, tmp_path: Path) -> None:
    """Its contact is made, and so are the opportunities of others."""
    async with selling(db, tmp_path) as company:
        company.sim.store.pipelines[SALES.id] = _without("Contacted")
        await company.customer(7)
        await company.customer(8)
        await company.estimate(8, 8, total=800)
        await company.settle()
        assert len(company.sim.store.contacts) == 2
        assert _stages(company) == [PROPOSED]
        company.sim.store.pipelines[SALES.id] = SALES
        await company.clerk.reconcile()
        await company.settle()
        assert _stages(company) == ["Contacted", PROPOSED]


async def test_call_that_is_refused_for_another_reason_dies_as_before(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.settle()
        await db.execute(
            "INSERT INTO integrations.ghl_outbox "
            "(lane, customer_id, kind, cycle, target_id, fields, reason, cause) "
            "SELECT 'customer 7', 7, 'update_opportunity', 1, opportunity_id, $1, 'a test', 'test' "
            "FROM pcd.crm_cycles",
            f'{{"pipelineStageId": "{SALES.stages[2].id}", "status": "nonsense"}}',
        )
        await company.works.sender.empty()
        assert len(await outbox.dead(db)) == 1


def _without(stage: str) -> Pipeline:
    return replace(SALES, stages=tuple(each for each in SALES.stages if each.name != stage))


def _stages(company: Selling) -> list[str]:
    return [card[1] for card in company.cards()]


async def _held(company: Selling) -> list[int]:
    rows = await company.db.fetch("SELECT customer_id FROM pcd.crm_customers WHERE held <> '[]'")
    return [row["customer_id"] for row in rows]
