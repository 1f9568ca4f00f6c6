"""A rule that was halted is tried again: it catches up with what it missed, each event once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from support.detecting import detecting
from support.working import until_true

from pcd.events.event import Becomes
from pcd.events.rules import RULES

if TYPE_CHECKING:
    from pcd.changes.change import State
    from pcd.db.pool import Database
    from pcd.events.event import Surroundings

pytestmark = pytest.mark.asyncio

OPEN = {"status": "Open", "total": 1250.5, "customer_id": 7, "job_id": 3}


def _boom(state: State, _: Surroundings) -> bool:
    if state.get("name") == "Boom":
        raise RuntimeError("a bug")
    return state.get("status") == "Sold"


BROKEN = {**RULES, "estimate_approved": replace(RULES["estimate_approved"], when=Becomes(test=_boom))}


async def test_rule_that_raises_stops_alone_and_catches_up_after_the_repair(db: Database) -> None:
    """Its events come in the order in which they happened, each once; the others did not wait."""
    async with detecting(db, rules=BROKEN) as detection:
        for st_id, name in enumerate(("Fine", "Boom", "Later"), start=1):
            await detection.write("estimates", st_id, **OPEN, name=name)
            await detection.write("estimates", st_id, status="Sold")
        assert [event["entity_id"] for event in await detection.events("estimate_approved")] == [1]
        assert len(await detection.events("estimate_created")) == 3
        again = await detection.recorder.retry()
        assert "a bug" in again.still_halted["estimate_approved"]
    async with detecting(db) as detection:
        await detection.write("estimates", 4, **OPEN | {"status": "Sold"})
        assert [event["entity_id"] for event in await detection.events("estimate_approved")] == [1]
        result = await detection.recorder.retry()
        assert result.caught_up == ["estimate_approved"]
        found = await detection.events("estimate_approved")
        assert [event["entity_id"] for event in found] == [1, 2, 3, 4]
        await detection.write("estimates", 5, **OPEN | {"status": "Sold"})
        assert len(await detection.events("estimate_approved")) == 5


async def test_rule_that_is_refused_again_does_not_keep_another_from_catching_up(db: Database) -> None:
    await db.execute("ALTER TABLE automation.events ADD CONSTRAINT refused CHECK (type <> 'call_missed')")
    async with detecting(db, rules=BROKEN) as detection:
        await detection.write("calls", 2, direction="Inbound", type="Abandoned")
        await detection.write("estimates", 1, **OPEN | {"status": "Sold"}, name="Boom")
        assert await detection.types() == ["estimate_created"]
    async with detecting(db) as detection:
        result = await detection.recorder.retry()
        assert (result.caught_up, list(result.still_halted)) == (["estimate_approved"], ["call_missed"])
        assert len(await detection.events("estimate_approved")) == 1
        await db.execute("ALTER TABLE automation.events DROP CONSTRAINT refused")
        assert (await detection.recorder.retry()).caught_up == ["call_missed"]
        assert len(await detection.events("call_missed")) == 1


async def test_rule_goes_on_though_the_retry_that_let_it_was_broken_off(db: Database) -> None:
    """Thought halted still, it would miss what comes next, and nothing would tell of that."""
    async with detecting(db, rules=BROKEN) as detection:
        await detection.write("estimates", 1, **OPEN | {"status": "Sold"}, name="Boom")
        await detection.events()
    async with detecting(db) as detection:
        async with db.transaction() as blocking, anyio.create_task_group() as group:
            await blocking.execute("LOCK TABLE servicetitan.st_business_units")
            group.start_soon(detection.recorder.retry)
            await until_true(lambda: db.fetchval("SELECT count(*) = 0 FROM pcd.halted_rules"))
            group.cancel_scope.cancel()
        await detection.write("estimates", 2, **OPEN | {"status": "Sold"})
        found = await detection.events("estimate_approved")
    assert [event["entity_id"] for event in found] == [1, 2]
