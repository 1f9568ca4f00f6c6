"""Changes in a real database become events, each once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from support.detecting import AROUND, detecting, upsert, watch

from pcd.clock import Clock
from pcd.db.leases import Leaser
from pcd.errors import LeaseLost
from pcd.events.channels import Channels
from pcd.events.recorder import Recorder, Settings
from pcd.events.rules import RULES

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio


def today() -> date:
    return datetime.now(UTC).date()


OPEN = {"status": "Open", "total": 1250.5, "customer_id": 7, "job_id": 3}


async def test_sold_estimate_becomes_one_event_with_the_old_payload(db: Database) -> None:
    """Stored workflow conditions read these keys."""
    async with detecting(db) as detection:
        await detection.write("customers", 7, name="Heron Court HOA", phone="5550100", email="a@example.org")
        await detection.write("estimates", 1, **OPEN, name="Repair")
        await detection.write("estimates", 1, status="Sold", sold_on=datetime(2026, 3, 2, tzinfo=UTC))
        created, approved = await detection.events("estimate_created", "estimate_approved")
    assert created["payload"]["estimate"]["status"] == "Open"
    assert created["payload"]["customer"] == {
        "name": "Heron Court HOA",
        "phone": "5550100",
        "email": "a@example.org",
    }
    assert approved["payload"]["estimate"]["status"] == "Sold"
    assert approved["payload"]["estimate"]["total"] >= 1000
    assert approved["payload"]["soldOn"] == "2026-03-02T00:00:00+00:00"
    assert "full_data" not in approved["payload"]["estimate"]
    assert (approved["entity_type"], approved["entity_id"], approved["customer_id"]) == ("estimate", 1, 7)


async def test_sold_and_unsold_within_a_batch_does_not_say_approved_open(db: Database) -> None:
    """The row is already open again when the approval is recorded; the event tells of the change."""
    async with detecting(db) as detection:
        await detection.write("estimates", 1, **OPEN)
        await detection.write("estimates", 1, status="Sold")
        await detection.write("estimates", 1, status="Open")
        (approved,) = await detection.events("estimate_approved")
    assert approved["payload"]["status"] == approved["payload"]["estimate"]["status"] == "Sold"


async def test_sold_again_is_a_second_event_and_says_so(db: Database) -> None:
    """In one batch or in several; a second edit of a sold estimate is none."""
    async with detecting(db) as detection:
        await detection.write("estimates", 1, **OPEN)
        for status in ("Sold", "Open", "Sold"):
            await detection.write("estimates", 1, status=status)
        await detection.events()
        await detection.write("estimates", 1, total=2000)
        await detection.write("estimates", 1, status="Dismissed")
        await detection.write("estimates", 1, status="Sold")
        found = await detection.events("estimate_approved")
    assert [(event["ordinal"], event["payload"]["ordinal"]) for event in found] == [(1, 1), (2, 2), (3, 3)]


async def test_customer_who_arrives_later_completes_the_payload(db: Database) -> None:
    """First his name, then, when a contact comes, how to reach him; no second event."""
    async with detecting(db) as detection:
        await detection.write("estimates", 1, **OPEN)
        (created,) = await detection.events()
        assert created["payload"]["customer"] == {"name": None, "phone": None, "email": None}
        await detection.write("customers", 7, name="Heron Court HOA")
        await detection.events()
        await detection.write("customers", 7, phone="5550100")
        (created,) = await detection.events("estimate_created")
        await detection.write("customers", 7, phone="5550199")
        (later,) = await detection.events("estimate_created")
    assert created["payload"]["customer"]["name"] == "Heron Court HOA"
    assert later["payload"]["customer"]["phone"] == "5550100"


async def test_customer_is_found_through_the_job(db: Database) -> None:
    """An assignment names no customer."""
    async with detecting(db) as detection:
        await detection.write("customers", 7, name="Heron Court HOA", phone="5550100")
        await detection.write("jobs", 3, job_status="Scheduled", customer_id=7)
        await detection.write("appointment_assignments", 5, appointment_id=4, job_id=3, technician_id=55)
        (event,) = await detection.events("technician_assigned")
    assert (event["entity_type"], event["entity_id"], event["customer_id"]) == ("appointment", 4, 7)
    assert event["payload"]["customer"]["name"] == "Heron Court HOA"


async def test_each_technician_of_an_appointment_is_counted_apart(db: Database) -> None:
    """One is taken off and comes back: his second time, while the other had his first."""
    async with detecting(db) as detection:
        assigned = {"appointment_id": 4, "technician_id": 55, "active": True}
        await detection.write("appointment_assignments", 1, **assigned)
        await detection.write("appointment_assignments", 1, active=False)
        await detection.write("appointment_assignments", 2, **assigned | {"technician_id": 56})
        await detection.write("appointment_assignments", 1, active=True)
        found = await detection.events("technician_assigned")
    assert [(event["payload"]["technicianId"], event["ordinal"]) for event in found] == [
        (55, 1),
        (56, 1),
        (55, 2),
    ]


async def test_install_job_whose_unit_arrives_later_fires_once(db: Database) -> None:
    """And not again when it moves to another install unit."""
    async with detecting(db) as detection:
        await detection.write("jobs", 3, job_status="Scheduled", business_unit_id=5)
        assert await detection.types() == ["job_created"]
        await detection.write("business_units", 5, name="New Pool Installs")
        await detection.write("business_units", 6, name="Service")
        assert await detection.types() == ["job_created", "install_job_created"]
        await detection.write("jobs", 3, business_unit_id=6)
        await detection.write("jobs", 3, business_unit_id=5)
        found = await detection.events()
    assert [event["type"] for event in found] == ["job_created", "install_job_created"]
    assert found[1]["payload"]["businessUnit"] == "New Pool Installs"


async def test_invoice_entered_after_its_due_date_is_overdue_once(db: Database) -> None:
    """Later edits and a balance that goes and returns do not make it overdue a second time for that date."""
    due_date = today() - timedelta(days=3)
    async with detecting(db) as detection:
        await detection.write("invoices", 9, status="Posted", total=80, balance=80, due_date=due_date)
        for balance in (40, 0, 40):
            await detection.write("invoices", 9, balance=balance)
            await detection.events()
        (overdue,) = await detection.events("invoice_overdue")
        await detection.write("invoices", 9, due_date=today() - timedelta(days=2))
        assert len(await detection.events("invoice_overdue")) == 2
    assert overdue["payload"]["daysPastDue"] == 3
    assert overdue["payload"]["balance"] == 80


async def test_moment_that_comes_is_told_without_any_change(db: Database) -> None:
    """The recorder sleeps until then; the database's clock decides."""
    async with detecting(db) as detection:
        due_date = today() + timedelta(days=30)
        await detection.write("invoices", 9, status="Posted", total=80, balance=80, due_date=due_date)
        await detection.events()
        await db.execute("UPDATE pcd.due SET due_at = clock_timestamp() + interval '200 ms'")
        with detection.channels.subscribe() as events:
            async with anyio.create_task_group() as tasks:
                await detection.recorder.prepare()
                await tasks.start(_run, detection.recorder)
                with anyio.fail_after(10):
                    event = await events.receive()
                tasks.cancel_scope.cancel()
        assert event.type == "invoice_overdue"
        assert await db.fetchval("SELECT count(*) FROM pcd.due") == 0


async def test_moments_after_the_baseline_are_known_from_the_first_day(db: Database) -> None:
    """Of ten years of invoices only those that fall due from now on are waited for."""
    rows = {1: -400, 2: -1, 3: 1, 4: 30}
    for st_id, days in rows.items():
        due_date = today() + timedelta(days=days)
        await db.execute(*upsert("invoices", st_id, status="Posted", total=80, balance=80, due_date=due_date))
    await db.execute(*upsert("invoices", 5, status="Posted", total=80, balance=0, due_date=today()))
    async with detecting(db) as detection:
        assert await detection.types() == []
        found = await db.fetch("SELECT st_id FROM pcd.due ORDER BY st_id")
    assert [row["st_id"] for row in found] == [3, 4]


async def test_event_that_occurred_long_ago_is_suppressed_and_released_by_replay(db: Database) -> None:
    """It is recorded and counted, but nobody is told."""
    old = datetime.now(UTC) - timedelta(days=8)
    async with detecting(db, watched=False) as detection:
        await watch(db, since=old - timedelta(days=30))
        with detection.channels.subscribe() as told:
            await detection.write("estimates", 1, **OPEN, st_created_on=old)
            (event,) = await detection.events()
            assert told.statistics().current_buffer_used == 0
    assert event["suppressed_reason"] == "max_age"


async def test_row_that_existed_before_the_baseline_makes_no_news(db: Database) -> None:
    """Upstream touched it while the first load ran, so it arrives as if it were new."""
    async with detecting(db) as detection:
        await detection.write("estimates", 1, **OPEN, st_created_on=datetime(2024, 1, 1, tzinfo=UTC))
        (event,) = await detection.events()
    assert event["suppressed_reason"] == "baseline"


async def test_order_of_an_entity_is_the_order_of_its_changes(db: Database) -> None:
    """Also where different tables tell of the same entity."""
    async with detecting(db) as detection:
        await detection.write("appointment_assignments", 5, appointment_id=4, technician_id=55)
        await detection.write("appointments", 4, status="Scheduled", start_on=datetime.now(UTC))
        await detection.write("appointment_assignments", 6, appointment_id=4, technician_id=56)
        await detection.write("appointments", 4, status="Canceled")
        assert await detection.types() == [
            "technician_assigned",
            "appointment_created",
            "technician_assigned",
            "appointment_canceled",
        ]


async def test_nobody_who_does_not_listen_holds_up_the_recorder(db: Database) -> None:
    """What does not fit into a channel is dropped: the table has it."""
    async with detecting(db) as detection:
        with detection.channels.subscribe(room=1) as slow, detection.channels.subscribe() as quick:
            for st_id in range(3):
                await detection.write("estimates", st_id, **OPEN)
            assert len(await detection.events()) == 3
            assert slow.statistics().current_buffer_used == 1
            assert [quick.receive_nowait().entity_id for _ in range(3)] == [0, 1, 2]
        assert detection.channels.dropped == 2


async def test_recorder_whose_lease_was_taken_records_nothing(db: Database) -> None:
    """The changes stay where they are for whoever holds it now."""
    with pytest.raises(LeaseLost, match="another process"):
        await _lose_lease(db)
    assert await db.fetchval("SELECT count(*) FROM pcd.outbox") == 1
    assert await db.fetchval("SELECT count(*) FROM automation.events") == 0


async def test_next_recorder_goes_on_where_the_last_one_stopped(db: Database) -> None:
    """Ordinals and identities are in the database, not in a process."""
    for status in ("Sold", "Open", "Sold"):
        async with detecting(db) as detection:
            await detection.write("estimates", 1, **OPEN | {"status": status})
            await detection.events()
    async with detecting(db) as detection:
        found = await detection.events("estimate_approved")
    assert [event["ordinal"] for event in found] == [1, 2]


async def test_idle_recorder_asks_nothing(db: Database) -> None:
    """No query but the fallback poll."""
    own = await type(db).connect(db.url, pool_size=2, application_name="idle recorder")
    leaser = Leaser(db, holder="test", ttl=timedelta(seconds=30), clock=Clock())
    question = "SELECT query_start FROM pg_stat_activity WHERE application_name = 'idle recorder'"
    async with leaser.hold("events") as lease, anyio.create_task_group() as tasks:
        settings = Settings(surroundings=AROUND)
        recorder = Recorder(own, lease=lease, settings=settings, channels=Channels(), clock=Clock())
        await tasks.start(_run, recorder)
        await anyio.wait_all_tasks_blocked()
        before = await db.fetch(question)
        await anyio.sleep(0.5)
        assert await db.fetch(question) == before
        tasks.cancel_scope.cancel()
    await own.close()


async def test_rule_whose_event_postgresql_refuses_stops_alone(db: Database) -> None:
    """A text that jsonb cannot hold: one rule stumbles over it, the others go on."""
    missed = replace(RULES["call_missed"], compute=lambda *_: {"memo": "broken \x00 text"})
    async with detecting(db, rules={**RULES, "call_missed": missed}) as detection:
        await detection.write("estimates", 1, **OPEN)
        await detection.write("calls", 2, direction="Inbound", type="Abandoned")
        await detection.write("estimates", 3, **OPEN)
        assert await detection.types() == ["estimate_created", "estimate_created"]
        halted = await db.fetchrow("SELECT type, error FROM pcd.halted_rules")
    assert halted is not None
    assert halted["type"] == "call_missed"
    assert "PostgreSQL refuses" in halted["error"]


async def test_event_that_postgresql_refuses_is_not_quoted(db: Database) -> None:
    """What PostgreSQL says of a row that it refuses holds the row, and is logged."""
    await db.execute("ALTER TABLE automation.events ADD CONSTRAINT refused CHECK (type <> 'call_missed')")
    async with detecting(db) as detection:
        missed = {"direction": "Inbound", "type": "Abandoned", "to_number": "+12395550142"}
        await detection.write("calls", 2, **missed)
        assert await detection.types() == []
    error = await db.fetchval("SELECT error FROM pcd.halted_rules")
    assert "refused" in error
    assert "5550142" not in error


async def test_adopted_table_of_odd_types_makes_events_all_the_same(db: Database) -> None:
    """Somebody made ids texts; the customer cannot be looked up, everything else is there."""
    await db.execute("DROP TRIGGER pcd_foreign_write ON servicetitan.st_calls")
    await db.execute("ALTER TABLE servicetitan.st_calls ALTER COLUMN customer_id TYPE text")
    async with detecting(db) as detection:
        await detection.write("calls", 2, direction="Inbound", type="Abandoned", customer_id="nobody")
        (event,) = await detection.events()
    assert (event["customer_id"], event["payload"]["call"]["customer_id"]) == (None, "nobody")


async def test_parked_row_is_shown_and_judged_again_when_it_changes(db: Database) -> None:
    async with detecting(db) as detection:
        await detection.write("estimates", 1, status=None, total=5)
        await detection.write("estimates", 2, status="Open", total=-5)
        assert await detection.types() == []
        rows = await db.fetch("SELECT DISTINCT st_id, reason FROM pcd.parked ORDER BY st_id")
        assert [tuple(row) for row in rows] == [(1, "status is null"), (2, "total is negative")]
        await detection.write("estimates", 1, status="Sold")
        await detection.write("estimates", 2, total=5)
        assert await detection.types() == [
            "estimate_created",
            "estimate_approved",
            "estimate_created",
            "estimate_updated",
        ]
        assert await db.fetchval("SELECT count(*) FROM pcd.parked") == 0


async def test_retry_judges_parked_rows_with_what_is_known_by_then(db: Database) -> None:
    """A newer pcd knows the value; nothing about the row changes."""
    strict = {**RULES, "job_created": replace(RULES["job_created"], doubts=RULES["estimate_created"].doubts)}
    async with detecting(db, rules=strict) as detection:
        await detection.write("jobs", 3, job_status="Scheduled")
        assert await detection.types() == []
    async with detecting(db) as detection:
        assert await detection.types() == []
        result = await detection.recorder.retry()
        assert (result.judged, result.still_parked) == (1, 0)
        assert [event.type for event in result.events] == ["job_created"]


async def _lose_lease(db: Database) -> None:
    async with detecting(db) as detection:
        await detection.write("estimates", 1, **OPEN)
        await db.execute("UPDATE pcd.leases SET term = term + 1 WHERE name = 'events'")
        await detection.recorder.drain()


async def _run(recorder: Recorder, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    await recorder.run(task_status=task_status)
