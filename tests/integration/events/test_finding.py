"""Recorded events are found again, with the way that each of them went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from support.detecting import detecting

from pcd.errors import ControlError
from pcd.events.finder import Query, after, last_sequence, newest, trace
from pcd.events.status import read_status

if TYPE_CHECKING:
    from support.detecting import Detection

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

OPEN = {"status": "Open", "total": 1250.5, "customer_id": 7}
MODIFIED = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)


async def _some_events(detection: Detection) -> None:
    await detection.write("customers", 7, name="Heron Court HOA")
    await detection.write("estimates", 1, **OPEN)
    await detection.write("estimates", 2, **OPEN | {"customer_id": 8})
    await detection.write("estimates", 1, status="Sold")
    await detection.events()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            Query(), "customer_created estimate_created estimate_created estimate_approved", id="all"
        ),
        pytest.param(Query(types=("estimate_approved",)), "estimate_approved", id="by type"),
        pytest.param(Query(entity=("estimate", 1)), "estimate_created estimate_approved", id="by entity"),
        pytest.param(
            Query(customer_id=7), "customer_created estimate_created estimate_approved", id="by customer"
        ),
        pytest.param(Query(suppressed=True), "", id="suppressed"),
        pytest.param(Query(until=MODIFIED), "", id="until before"),
    ],
)
async def test_events_are_found_by(db: Database, query: Query, expected: str) -> None:
    async with detecting(db) as detection:
        await _some_events(detection)
        assert [event.type for event in await newest(db, query, limit=10)] == expected.split()


async def test_newest_events_come_last_and_the_rest_is_left_out(db: Database) -> None:
    async with detecting(db) as detection:
        await _some_events(detection)
        assert [event.type for event in await newest(db, Query(), limit=1)] == ["estimate_approved"]


async def test_follower_sees_each_event_once_in_order(db: Database) -> None:
    async with detecting(db) as detection:
        start = await last_sequence(db)
        await _some_events(detection)
        seen = await after(db, Query(), start)
        assert [event.type for event in seen][-1] == "estimate_approved"
        assert await after(db, Query(), seen[-1].sequence) == []


async def test_way_of_an_event_leads_from_upstream_to_the_log(db: Database) -> None:
    """Which pass brought it, when the row was written, what changed in it, when it was recorded."""
    async with detecting(db) as detection:
        await detection.write("estimates", 1, **OPEN, st_modified_on=MODIFIED - timedelta(hours=1))
        async with db.transaction() as connection:
            began = datetime.now(UTC)
            origin = f"fresh pass {began.isoformat()}"
            await connection.execute("SELECT set_config('pcd.origin', $1, true)", origin)
            await connection.execute(
                "UPDATE servicetitan.st_estimates SET status = 'Sold', st_modified_on = $1", MODIFIED
            )
        (event,) = await detection.events("estimate_approved")
        way = await trace(db, str(event["id"])[:8])
    assert way.event.type == "estimate_approved"
    assert [hop.what for hop in way.hops] == [
        "changed upstream",
        "fresh pass began",
        "row written and captured",
        "consumed",
        "recorded",
    ]
    instants = [hop.at for hop in way.hops]
    assert instants[:2] == [MODIFIED, began]
    assert all(one is not None for one in instants)
    assert "status: Open → Sold" in way.hops[2].detail


async def test_way_goes_on_to_what_the_event_caused(db: Database) -> None:
    """The workflow, its step, its message, the call to GoHighLevel, each with its time."""
    async with detecting(db) as detection:
        await detection.write("estimates", 1, **OPEN)
        (event,) = await detection.events("estimate_created")
    await db.execute(_WORKFLOW, event["id"], event["customer_id"])
    await db.execute(_CALL, event["id"], event["customer_id"])
    hops = (await trace(db, str(event["id"]))).hops
    last = [hop.what for hop in hops].index("recorded")
    assert [(hop.what, hop.detail) for hop in hops[last + 1 :]] == [
        ("workflow began", f"Follow Up, instance {UUID(int=1)}"),
        ("step 1", "send_sms, completed"),
        ("message", "sms, sent"),
        ("GoHighLevel answered", "create_contact, done, a new customer"),
    ]
    assert all(hop.at is not None for hop in hops[last:])


_WORKFLOW = """
WITH instance AS (
    INSERT INTO automation.workflow_instances (
        id, workflow_name, workflow_version, event_id, event_type, entity_type, entity_id, customer_id,
        started_at, due_at
    )
    SELECT '00000000-0000-0000-0000-000000000001', 'Follow Up', 'v', $1, 'estimate_created', 'estimate', 1,
        coalesce($2::bigint, 7), now() + interval '1s', now() + interval '1d'
    RETURNING id
), step AS (
    INSERT INTO automation.workflow_step_executions (
        workflow_instance_id, step_number, status, action_type, completed_at
    )
    SELECT id, 1, 'completed', 'send_sms', now() + interval '2s' FROM instance
)
INSERT INTO automation.messaging_log (channel, direction, body, status, workflow_instance_id, sent_at)
SELECT 'sms', 'outbound', 'x', 'sent', id, now() + interval '3s' FROM instance
"""
_CALL = """
INSERT INTO integrations.ghl_outbox (lane, customer_id, kind, reason, cause, event_id, state, answered_at)
VALUES ('customer 7', $2, 'create_contact', 'a new customer', 'event', $1, 'done', now() + interval '4s')
"""


async def test_way_of_what_a_person_wrote_says_so(db: Database) -> None:
    async with detecting(db) as detection:
        await detection.write("estimates", 1, **OPEN)
        (event,) = await detection.events()
        way = await trace(db, str(event["id"]))
    assert way.hops[0].what == "written by somebody else"


async def test_event_outlives_the_log_of_its_change(db: Database) -> None:
    async with detecting(db) as detection:
        await detection.write("estimates", 1, **OPEN)
        (event,) = await detection.events()
        await db.execute("DELETE FROM pcd.change_log")
        way = await trace(db, str(event["id"]))
    assert [hop.what for hop in way.hops] == ["occurred", "recorded"]
    assert "no longer in the log" in way.hops[0].detail


@pytest.mark.parametrize("text", ["x", "zzzzzz", "123456", "12345"])
async def test_unknown_id_is_a_sentence(db: Database, text: str) -> None:
    with pytest.raises(ControlError, match="event"):
        await trace(db, text)


async def test_status_shows_what_waits_and_what_cannot_be_judged(db: Database) -> None:
    async with detecting(db) as detection:
        await detection.write("estimates", 1, status=None, total=5)
        await detection.write("estimates", 2, status=None, total=5)
        await detection.events()
        await detection.write("estimates", 3, **OPEN)
        status = await read_status(db)
    assert status["backlog"] == 1
    assert status["oldest_seconds"] >= 0
    (created, *_) = status["parked"]
    assert (created["reason"], created["rows"], created["resource"]) == ("status is null", 2, "estimates")
