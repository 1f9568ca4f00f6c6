"""Nothing of a paused workflow runs, whatever else is commanded meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.working import Noting, definition, working

from pcd.actions import CATALOGUE
from pcd.config import Config
from pcd.db import queries
from pcd.errors import ControlError
from pcd.rehearsal.known import known
from pcd.workflows.keeper import DefinitionKeeper
from pcd.workflows.outcome import Done, Fail

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from support.working import Work

    from pcd.db.pool import Database
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome

pytestmark = pytest.mark.asyncio

WHY = "once test is not paused any more: `pcd workflow resume 'test'`"


async def dead_letter(db: Database) -> tuple[Work, UUID]:
    """Return a dead letter of a workflow that was paused afterwards; its action works from now on."""
    answers: list[Outcome] = [Fail(error="no credit")]

    async def answer(_call: StepCall) -> Outcome:
        return answers.pop() if answers else Done()

    work = await working(db, definition(), action=Noting(answer))
    id_ = await work.begin()
    async with work.running():
        await work.until("failed")
    await work.steward.pause("test", reason="holiday")
    return work, id_


@pytest.mark.parametrize("is_whole", [False, True], ids=["one", "all"])
async def test_dead_letter_of_a_paused_workflow_is_tried_again_when_it_goes_on(
    db: Database, is_whole: bool
) -> None:
    work, id_ = await dead_letter(db)
    assert (await work.steward.retry("test" if is_whole else str(id_))).endswith(WHY)
    row = await work.instance(id_)
    assert (row["status"], row["paused_by"], row["reason"]) == ("paused", "command", "holiday")
    assert await work.store.claim(10) == []
    assert await work.steward.resume("test") == "test goes on, with 1 instances"
    async with work.running():
        await work.until("completed")


async def test_one_instance_of_a_paused_workflow_does_not_go_on_alone(db: Database) -> None:
    work = await working(db)
    id_ = await work.begin()
    await work.steward.pause("test", reason="holiday")
    with pytest.raises(ControlError, match="once test is not paused any more"):
        await work.steward.resume(str(id_))
    assert await work.store.claim(10) == []


async def test_adopted_instance_of_a_paused_workflow_waits(db: Database) -> None:
    work = await working(db)
    await work.steward.pause("test", reason="holiday")
    await db.execute(
        "WITH made AS (INSERT INTO automation.workflow_definitions (name, trigger_event, steps) "
        "VALUES ('test', 'estimate_created', '[]') RETURNING id) "
        "INSERT INTO automation.workflow_instances (workflow_id, entity_type, entity_id, customer_id, "
        "current_step, next_action_at) SELECT id, 'estimate', 1, 7, 0, now() FROM made"
    )
    id_ = await db.fetchval("SELECT id FROM automation.workflow_instances")
    assert (await work.steward.adopt(str(id_))).endswith(WHY)
    assert await work.store.claim(10) == []
    await work.steward.resume("test")
    assert [one.instance.id for one in await work.store.claim(10)] == [id_]


async def test_instance_that_was_started_just_while_its_workflow_was_paused_is_paused(
    db: Database, tmp_path: Path
) -> None:
    """The event's transaction did not see the pause, and the pause not its instance."""
    (tmp_path / "test.toml").write_text(
        'name = "test"\n[trigger]\nevent = "estimate_created"\n[[steps]]\naction = "upsert_contact"\n'
    )
    work = await working(db)
    id_ = await work.begin()
    await db.execute(queries.load("pcd.workflows")["switch_paused"], "test", True, "holiday")
    keeper = DefinitionKeeper(
        work.store,
        work.starter,
        folder=tmp_path,
        known=lambda: known(db, CATALOGUE, Config()),
        on_change=work.runner.wake,
    )
    await keeper.reload()
    row = await work.instance(id_)
    assert (row["status"], row["paused_by"], row["reason"]) == ("paused", "command", "holiday")
