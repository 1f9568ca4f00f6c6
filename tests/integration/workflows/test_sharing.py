"""Several runners on one database, processes that die, and what is found again afterwards."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from support.working import Noting, Work, definition, until_true, working

from pcd.db.pool import Database
from pcd.workflows.outcome import Done
from pcd.workflows.pruner import Pruner

if TYPE_CHECKING:
    from uuid import UUID

    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome

pytestmark = pytest.mark.asyncio

SHORT = timedelta(seconds=1)


async def test_two_runners_share_the_work_and_none_is_done_twice(db: Database) -> None:
    """Any number of daemons may run; nobody is the leader."""
    one, other = await working(db, holder="one", at_once=20), await working(db, holder="other", at_once=20)
    await one.begin_many(300)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(one.running())
        await stack.enter_async_context(other.running())
        await one.until("completed", count=300)
    keys = [call.idempotency_key for work in (one, other) for call in work.action.calls]
    assert len(keys) == len(set(keys)) == 300
    assert one.action.calls
    assert other.action.calls


async def test_steps_of_a_dead_process_move_within_the_lease_time(db: Database) -> None:
    """It is recorded that they were lost; another runner takes them up."""
    dead = await working(db, holder="dead", lease=SHORT)
    id_ = await dead.begin()
    assert len(await dead.store.claim(10)) == 1
    alive = await working(db, holder="alive")
    async with alive.running():
        with anyio.fail_after(20):
            await alive.until("completed")
    assert await alive.records(id_) == [(1, "lost"), (1, "completed")]
    assert [call.attempt for call in alive.action.calls] == [2]


async def test_poison_instance_is_a_dead_letter_after_its_starts_and_takes_nobody_along(db: Database) -> None:
    """What kills its process never fails; so starts are counted, and suspects are tried alone."""
    work = await working(db, definition({"retry": {"attempts": 3}}), lease=timedelta(milliseconds=1))
    poison, *others = await work.begin_many(5)
    assert len(await work.store.claim(10)) == 5
    while (await work.instance(poison))["status"] == "active":
        await until_true(work.rescuer.rescue)
        assert await work.store.claim(10) == []
        while (alone := await work.store.claim_suspect()) and alone.instance.id != poison:
            await _settle(work, alone.instance.id)
    row = await work.instance(poison)
    assert (row["status"], row["starts"], row["due_at"]) == ("failed", 3, None)
    assert "begun 3 times" in row["stopped_reason"]
    assert {(await work.instance(id_))["status"] for id_ in others} == {"completed"}
    assert await work.records(poison) == [(1, "lost")] * 3


async def test_claim_that_was_taken_over_changes_nothing_any_more(db: Database) -> None:
    """The zombie's outcome is recorded as late, and the other's stands."""
    begun, go_on = anyio.Event(), anyio.Event()

    async def slow(_call: StepCall) -> Outcome:
        begun.set()
        await go_on.wait()
        return Done(context={"by": "zombie"})

    zombie = await working(db, holder="zombie", action=Noting(slow), lease=timedelta(seconds=20))
    id_ = await zombie.begin()
    async with anyio.create_task_group() as group:
        await group.start(zombie.runner.run)
        await begun.wait()
        await db.execute("UPDATE automation.workflow_instances SET lease_until = now() - interval '1 s'")
        alive = await working(db, holder="alive")
        async with alive.running():
            await alive.until("completed")
        go_on.set()
        await alive.recorded(id_, count=3)
        group.cancel_scope.cancel()
    assert sorted(await alive.records(id_)) == [(1, "completed"), (1, "late"), (1, "lost")]
    assert (await alive.instance(id_))["context"] == "{}"


async def test_long_step_keeps_its_lease(db: Database) -> None:
    """A provider that answers late is asked once: the lease is renewed while the step runs."""

    async def slow(_call: StepCall) -> Outcome:
        await anyio.sleep(2.5)
        return Done()

    work = await working(db, definition({"timeout": "25s"}), action=Noting(slow), lease=SHORT)
    id_ = await work.begin()
    async with work.running():
        await work.until("completed")
    assert len(work.action.calls) == 1
    assert await work.records(id_) == [(1, "completed")]


async def test_long_steps_do_not_keep_others_waiting(db: Database) -> None:
    """Most places are taken by steps whose provider is slow."""
    release = anyio.Event()

    async def slow(call: StepCall) -> Outcome:
        if call.entity_id > 1:
            await release.wait()
        return Done()

    work = await working(db, action=Noting(slow), at_once=4)
    async with work.running():
        await work.begin_many(3, entity_id=2)
        await until_true(lambda: _is(len(work.action.calls) == 3))
        await work.begin(entity_id=1)
        await work.until("completed")
        release.set()
        await work.until("completed", count=4)


async def test_ended_instances_are_forgotten_after_a_year_but_dead_letters_stay(db: Database) -> None:
    """With the records of their steps."""
    work = await working(db)
    ids = await work.begin_many(3)
    async with work.running():
        await work.until("completed", count=3)
    await db.execute(
        "UPDATE automation.workflow_instances SET completed_at = now() - interval '2 years' WHERE id <> $1",
        ids[0],
    )
    await db.execute("UPDATE automation.workflow_instances SET status = 'failed' WHERE id = $1", ids[1])
    assert await Pruner(work.store).prune() == 1
    left = await db.fetch("SELECT workflow_instance_id FROM automation.workflow_step_executions")
    assert {row[0] for row in left} == set(ids[:2])


async def test_connections_that_break_meanwhile_do_not_repeat_the_step(db: Database) -> None:
    """The outcome is kept until it can be written."""
    own = await Database.connect(db.url, pool_size=2, application_name="pcd breaks")
    work = await working(own)
    broken = anyio.Event()

    async def break_connections(_call: StepCall) -> Outcome:
        if not broken.is_set():
            broken.set()
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pcd breaks'"
            )
        return Done()

    work.action.answer = break_connections
    await work.begin_many(3)
    async with anyio.create_task_group() as group:
        await group.start(work.runner.run)
        await broken.wait()
        sql = "SELECT count(*) = 3 FROM automation.workflow_instances WHERE status = 'completed'"
        await until_true(lambda: db.fetchval(sql))
        group.cancel_scope.cancel()
    assert len(work.action.calls) == 3
    await own.close()


async def _is(truth: bool) -> bool:
    return truth


async def _settle(work: Work, id_: UUID) -> None:
    await work.db.execute(
        "UPDATE automation.workflow_instances SET status = 'completed', due_at = NULL, lease_until = NULL, "
        "holder = NULL WHERE id = $1",
        id_,
    )
