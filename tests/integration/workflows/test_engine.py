"""Instances in a real database: taken once, carried on step by step, ended as they should."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from support.detecting import upsert
from support.working import Noting, definition, working

from pcd.errors import RateLimited, Rejected
from pcd.telemetry import log
from pcd.workflows.outcome import Blocked, Done, Fail, Retry, Wait

if TYPE_CHECKING:
    from pcd.db.pool import Database
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome

pytestmark = pytest.mark.asyncio

SOON = {"retry": {"attempts": 3, "first": "1s", "most": "1s"}}


async def test_each_step_is_taken_once_and_recorded(db: Database) -> None:
    """Two steps without a delay follow each other at once."""
    work = await working(db, definition({"with": {"text": "first"}}, {"with": {"text": "second"}}))
    id_ = await work.begin()
    async with work.running():
        await work.until("completed")
    calls = [(call.step, call.parameters) for call in work.action.calls]
    assert calls == [(1, Noting().parameters(text="first")), (2, Noting().parameters(text="second"))]
    assert await work.records(id_) == [(1, "completed"), (2, "completed")]
    row = await work.instance(id_)
    assert row["current_step"] == 2
    assert row["due_at"] is row["lease_until"] is row["next_action_at"] is None


async def test_what_a_step_logs_says_of_which_instance_and_event_it_is(db: Database) -> None:
    said = logging.getLogger("pcd.said")
    ring = log.Recent()

    async def speak(_call: StepCall) -> Outcome:
        said.warning("here")
        return Done()

    work = await working(db, definition({}), action=Noting(speak))
    said.addHandler(ring)
    try:
        id_ = await work.begin()
        async with work.running():
            await work.until("completed")
    finally:
        said.removeHandler(ring)
    (call,) = work.action.calls
    (line,) = ring.lines()
    assert (line["instance"], line["trace"]) == (str(id_), call.event_id.hex)


async def test_delayed_step_waits_for_its_time(db: Database) -> None:
    """Nobody looks at it before."""
    work = await working(db, definition({}, {"delay": "2 days"}))
    id_ = await work.begin()
    async with work.running():
        await work.recorded(id_)
        row = await work.instance(id_)
        assert (row["status"], row["current_step"]) == ("active", 1)
        assert row["due_at"] - row["updated_at"] > timedelta(days=1, hours=22)
        await work.pass_time(id_)
        await work.until("completed")


async def test_due_time_that_comes_wakes_the_runner(db: Database) -> None:
    """Without a poll: the interval of the test's runner is longer than the delay."""
    work = await working(db, definition({"delay": "1s"}))
    work.runner._check_interval = timedelta(minutes=5)
    async with work.running():
        await work.begin()
        with anyio.fail_after(20):
            await work.until("completed")


async def test_failing_step_is_tried_again_by_its_policy_and_then_dead(db: Database) -> None:
    async def never(_call: StepCall) -> Outcome:
        return Retry(error="the line is engaged")

    work = await working(db, definition(SOON), action=Noting(never))
    id_ = await work.begin()
    async with work.running():
        await work.until("failed")
    assert await work.records(id_) == [(1, "retried"), (1, "retried"), (1, "failed")]
    assert (await work.instance(id_))["stopped_reason"] == "step 1: the line is engaged (tried 3 times)"
    assert [call.attempt for call in work.action.calls] == [1, 2, 3]
    assert len({call.idempotency_key for call in work.action.calls}) == 1


async def test_error_of_theirs_that_is_final_is_not_tried_again(db: Database) -> None:
    async def refuse(_call: StepCall) -> Outcome:
        raise Rejected("there is no such contact", service="GoHighLevel", status=404)

    work = await working(db, definition(SOON), action=Noting(refuse))
    id_ = await work.begin()
    async with work.running():
        await work.until("failed")
    assert await work.records(id_) == [(1, "failed")]


async def test_dead_letter_is_taken_up_where_it_died_after_a_redrive(db: Database) -> None:
    answers: list[Outcome] = [Done(), Fail(error="no credit"), Done()]

    async def next_one(_call: StepCall) -> Outcome:
        return answers.pop(0)

    work = await working(db, definition({}, {}), action=Noting(next_one))
    id_ = await work.begin()
    async with work.running():
        await work.until("failed")
        await work.steward.retry(str(id_))
        work.runner.wake()
        await work.until("completed")
    assert [call.step for call in work.action.calls] == [1, 2, 2]


async def test_action_that_hangs_is_cut_at_its_timeout_and_tried_again(db: Database) -> None:
    async def hang(call: StepCall) -> Outcome:
        if call.attempt == 1:
            await anyio.sleep_forever()
        return Done()

    work = await working(db, definition({**SOON, "timeout": "1s"}), action=Noting(hang))
    id_ = await work.begin()
    async with work.running():
        await work.until("completed")
    assert await work.records(id_) == [(1, "retried"), (1, "completed")]


async def test_they_are_waited_for_as_long_as_they_ask(db: Database) -> None:
    async def busy(call: StepCall) -> Outcome:
        if call.attempt == 1:
            raise RateLimited("slow down", service="GoHighLevel", retry_after=3600)
        return Done()

    work = await working(db, definition(SOON), action=Noting(busy))
    id_ = await work.begin()
    async with work.running():
        await work.recorded(id_)
        row = await work.instance(id_)
        assert row["due_at"] - row["updated_at"] > timedelta(minutes=59)


async def test_wait_and_blocked_do_not_count_as_failures(db: Database) -> None:
    answers: list[Outcome] = []

    async def next_one(call: StepCall) -> Outcome:
        answers.append(Done())
        if len(answers) < 4:
            return Blocked(reason="quiet hours", until=call.waited_until or _past())
        return Done() if call.waited_until else Wait(until=_past(), reason="x")

    work = await working(db, definition({"retry": {"attempts": 1}}), action=Noting(next_one))
    id_ = await work.begin()
    async with work.running():
        await work.until("completed")
    statuses = [status for _, status in await work.records(id_)]
    assert statuses == ["blocked", "blocked", "blocked", "waiting", "completed"]


async def test_estimate_sold_between_two_steps_stops_with_the_reason(db: Database) -> None:
    """No further message goes out."""
    stops = ["estimate.status == 'Sold'"]
    work = await working(db, definition({}, {"delay": "2 days"}, stop=stops))
    await db.execute(*upsert("estimates", 1, status="Open", total=1500, customer_id=7))
    id_ = await work.begin(entity_id=1)
    async with work.running():
        await work.recorded(id_)
        await db.execute(*upsert("estimates", 1, status="Sold"))
        await work.pass_time(id_)
        await work.until("stopped")
    assert len(work.action.calls) == 1
    assert (await work.instance(id_))["stopped_reason"] == stops[0]
    assert await work.records(id_) == [(1, "completed"), (2, "stopped")]


async def test_stop_is_judged_again_by_the_action_before_it_sends(db: Database) -> None:
    said: list[str] = []

    async def sell_meanwhile(call: StepCall) -> Outcome:
        said.append(await call.still_allowed())
        await db.execute(*upsert("estimates", 1, status="Sold"))
        said.append(await call.still_allowed())
        return Done()

    stops = [{"when": "estimate.status == 'Sold'", "reason": "goal achieved"}]
    work = await working(db, definition(stop=stops), action=Noting(sell_meanwhile))
    await db.execute(*upsert("estimates", 1, status="Open", customer_id=7))
    await work.begin(entity_id=1)
    async with work.running():
        await work.until("completed")
    assert said == ["", "goal achieved"]


async def test_cancelled_instance_is_not_allowed_any_more(db: Database) -> None:
    """What was under way does not overwrite that; its record says that it came late."""
    said: list[str] = []
    begun, cancelled = anyio.Event(), anyio.Event()

    async def slow(call: StepCall) -> Outcome:
        begun.set()
        await cancelled.wait()
        said.append(await call.still_allowed())
        return Done()

    work = await working(db, action=Noting(slow))
    id_ = await work.begin()
    async with work.running():
        await begun.wait()
        await work.steward.cancel(str(id_), reason="cancelled by an operator")
        cancelled.set()
        await work.recorded(id_)
    assert said == ["the instance was stopped, paused or taken over meanwhile"]
    assert (await work.instance(id_))["status"] == "stopped"
    assert await work.records(id_) == [(1, "late")]


async def test_paused_instance_stands_still_when_its_step_has_ended(db: Database) -> None:
    begun, paused = anyio.Event(), anyio.Event()

    async def slow(_call: StepCall) -> Outcome:
        begun.set()
        await paused.wait()
        return Done()

    work = await working(db, definition({}, {}), action=Noting(slow))
    id_ = await work.begin()
    async with work.running():
        await begun.wait()
        await work.steward.pause(str(id_), reason="wait a moment")
        paused.set()
        await work.recorded(id_)
        row = await work.instance(id_)
        assert (row["status"], row["current_step"], row["lease_until"]) == ("paused", 1, None)
        await work.steward.resume(str(id_))
        work.runner.wake()
        await work.until("completed")


async def test_condition_skips_its_step_and_says_why(db: Database) -> None:
    work = await working(db, definition({"when": "estimate.total >= 1000"}, {}))
    await db.execute(*upsert("estimates", 1, status="Open", total=250, customer_id=7))
    id_ = await work.begin(entity_id=1)
    async with work.running():
        await work.until("completed")
    assert await work.records(id_) == [(1, "skipped"), (2, "completed")]
    sql = "SELECT error_message FROM automation.workflow_step_executions WHERE status = 'skipped'"
    assert "estimate.total is 250" in await db.fetchval(sql)


async def test_condition_that_cannot_be_judged_is_never_false(db: Database) -> None:
    """Not for a stop either: the old engine went on."""
    work = await working(db, definition(stop=["estimate.days_since_created > 3"]))
    await db.execute(*upsert("estimates", 1, status="Open", customer_id=7))
    id_ = await work.begin(entity_id=1)
    async with work.running():
        await work.until("failed")
    assert work.action.calls == []
    assert "stop condition 1" in (await work.instance(id_))["stopped_reason"]


async def test_number_that_is_written_as_a_text_is_taken_as_it_was_validated(db: Database) -> None:
    work = await working(db, definition({"with": {"number": "3"}}))
    await work.begin()
    async with work.running():
        await work.until("completed")
    assert [call.parameters for call in work.action.calls] == [Noting().parameters(number=3)]


async def test_text_that_postgresql_refuses_does_not_undo_the_step(db: Database) -> None:
    """The effect is there; only what it said cannot be kept."""

    async def odd(call: StepCall) -> Outcome:
        return Done(output={"text": "a\0b"} if call.entity_id == 1 else {"text": "ab"})

    work = await working(db, action=Noting(odd))
    await work.begin_many(3)
    async with work.running():
        await work.until("completed", count=3)
    sql = "SELECT count(*) FROM automation.workflow_step_executions WHERE action_output IS NULL"
    assert await db.fetchval(sql) == 1
    assert len(work.action.calls) == 3


async def test_version_that_was_not_kept_pauses_the_instance(db: Database) -> None:
    other = definition({}, name="other")
    work = await working(db)
    id_ = await work.begin(workflow=other)
    async with work.running():
        await work.until("paused")
    row = await work.instance(id_)
    assert (row["paused_by"], "was not kept" in row["reason"]) == ("definition", True)


async def test_shutting_down_gives_back_what_is_under_way(db: Database) -> None:
    """Without counting it as a start: nobody died."""
    begun = anyio.Event()

    async def hang(_call: StepCall) -> Outcome:
        begun.set()
        await anyio.sleep_forever()
        raise AssertionError

    work = await working(db, action=Noting(hang))
    id_ = await work.begin()
    async with work.running():
        await begun.wait()
    row = await work.instance(id_)
    assert (row["status"], row["lease_until"], row["holder"], row["starts"]) == ("active", None, None, 0)


async def test_higher_priority_and_earlier_due_go_first(db: Database) -> None:
    low, high = definition(name="low"), definition(name="high", priority=5)
    work = await working(db, low, high, at_once=1)
    for workflow, minutes in ((low, 1), (low, 2), (high, 1), (high, 2)):
        due_at = await db.fetchval("SELECT now() - $1 * interval '1 minute'", minutes)
        await work.begin(workflow=workflow, due_at=due_at, entity_id=minutes, customer_id=minutes)
    async with work.running():
        await work.until("completed", count=4)
    order = [(call.workflow, call.entity_id) for call in work.action.calls]
    assert order == [("high", 2), ("high", 1), ("low", 2), ("low", 1)]


async def test_customer_has_no_more_instances_at_a_time_than_allowed(db: Database) -> None:
    """The one too many is noted as skipped; another customer has his own count; 0 means any number."""
    work = await working(
        db, definition({"delay": "1 day"}), definition(name="any", max_concurrent_per_customer=0)
    )
    first = await work.begin(customer_id=7)
    second = await work.begin(customer_id=7)
    other = await work.begin(customer_id=8)
    statuses = [(await work.instance(id_))["status"] for id_ in (first, second, other)]
    assert statuses == ["active", "skipped", "active"]
    together = await work.begin_many(3, customer_id=9)
    assert sorted([(await work.instance(id_))["status"] for id_ in together]) == [
        "active",
        "skipped",
        "skipped",
    ]
    unlimited = await work.begin_many(3, workflow=work.workflows[1], customer_id=7)
    assert {(await work.instance(id_))["status"] for id_ in unlimited} == {"active"}
    orphans = await work.begin_many(2, customer_id=None)
    assert {(await work.instance(id_))["status"] for id_ in orphans} == {"active"}


async def test_same_event_starts_a_workflow_once(db: Database) -> None:
    work = await working(db)
    id_ = await work.begin()
    event_id = (await work.instance(id_))["event_id"]
    assert await work.begin_many(1, event_id=event_id) == [id_]


async def test_old_engines_own_selection_finds_none_of_ours(db: Database) -> None:
    """Source: the old execution-engine.js, the statement of its tick."""
    work = await working(db, definition({"delay": "1s"}, {"delay": "2 days"}))
    row_id = await db.fetchval(
        "INSERT INTO automation.workflow_definitions (name, trigger_event) "
        "VALUES ('old', 'estimate_created') RETURNING id"
    )
    old = await db.fetchval(
        "INSERT INTO automation.workflow_instances "
        "(workflow_id, entity_type, entity_id, customer_id, next_action_at) "
        "VALUES ($1, 'estimate', 1, 7, now()) RETURNING id",
        row_id,
    )
    ours, *_ = await work.begin_many(5, workflow_id=row_id)
    async with work.running():
        await work.recorded(ours)
        found = await db.fetch(
            "SELECT wi.id FROM automation.workflow_instances wi "
            "JOIN automation.workflow_definitions wd ON wi.workflow_id = wd.id "
            "WHERE wi.status = 'active' AND wi.next_action_at IS NOT NULL AND wi.next_action_at <= NOW()"
        )
    assert [row["id"] for row in found] == [old]
    assert (await work.instance(old))["attempt"] == 0


def _past() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)
