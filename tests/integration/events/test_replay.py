"""Deriving events again tells nothing twice, and shows first what it would tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.detecting import detecting, upsert, watch

from pcd.clock import Clock
from pcd.errors import ControlError
from pcd.events.detector import preview
from pcd.events.event import Becomes
from pcd.events.replayer import Request
from pcd.events.rules import RULES

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

OPEN = {"status": "Open", "total": 1250.5, "customer_id": 7, "job_id": 3}
BLIND = {
    **RULES,
    "estimate_approved": replace(RULES["estimate_approved"], when=Becomes(test=lambda *_: False)),
}
"""What an older pcd might have had: a rule that sees nothing."""


async def _missed(db: Database) -> None:
    """Let a recorder that misses approvals see an estimate sold twice and another sold once."""
    async with detecting(db, rules=BLIND) as detection:
        for status in ("Open", "Sold", "Open", "Sold"):
            await detection.write("estimates", 1, **OPEN | {"status": status})
        await detection.write("estimates", 2, **OPEN | {"status": "Sold"})
        assert await detection.events("estimate_approved") == []


async def test_replay_of_a_window_finds_what_was_missed_and_only_that(db: Database) -> None:
    """From the change log: in order, with ordinals; a second replay finds nothing."""
    await _missed(db)
    async with detecting(db) as detection:
        request = Request(since=datetime.now(UTC) - timedelta(hours=1))
        result = await detection.recorder.replay(request)
        found = await detection.events("estimate_approved")
        again = await detection.recorder.replay(request)
    assert dict(result.counts) == {"estimate_approved": 3}
    assert [(event["entity_id"], event["ordinal"]) for event in found] == [(1, 1), (1, 2), (2, 1)]
    assert not again.counts


async def test_preview_tells_what_would_be_new_and_keeps_nothing(db: Database) -> None:
    await _missed(db)
    async with detecting(db) as detection:
        request = Request(entity=("estimate", 1))
        shown = await preview(db, request, settings=detection.settings, clock=Clock())
        assert await detection.events("estimate_approved") == []
        result = await detection.recorder.replay(request)
    assert shown.counts == result.counts == {"estimate_approved": 2}
    assert [event.ordinal for event in shown.events] == [1, 2]


async def test_rows_alone_tell_first_occurrences_only(db: Database) -> None:
    """The log is gone: that it was sold twice cannot be known any more."""
    await _missed(db)
    async with detecting(db) as detection:
        await db.execute("DELETE FROM pcd.change_log")
        result = await detection.recorder.replay(Request(entity=("estimate", 1)))
        found = await detection.events("estimate_approved")
        again = await detection.recorder.replay(Request(entity=("estimate", 1)))
    assert (result.changes, result.rows) == (0, 1)
    assert [(event["entity_id"], event["ordinal"]) for event in found] == [(1, 1)]
    assert not again.counts


async def test_replay_of_types_and_window_leaves_the_rest(db: Database) -> None:
    await _missed(db)
    async with detecting(db) as detection:
        early = Request(until=datetime.now(UTC) - timedelta(hours=1), types=("estimate_approved",))
        other = Request(types=("job_completed",))
        assert not (await detection.recorder.replay(early)).counts
        assert not (await detection.recorder.replay(other)).counts


async def test_replay_never_tells_of_what_was_before_the_baseline(db: Database) -> None:
    """Unless it is released on purpose."""
    old = datetime.now(UTC) - timedelta(days=2)
    state = OPEN | {"status": "Sold", "st_created_on": old, "sold_on": old}
    await db.execute(*upsert("estimates", 1, **state))
    async with detecting(db) as detection:
        result = await detection.recorder.replay(Request(since=old - timedelta(days=1)))
        assert {event.suppressed_reason for event in result.events} == {"baseline"}
        released = await detection.recorder.replay(Request(entity=("estimate", 1), release=True))
        found = await detection.events()
    assert released.released == len(found) == 2
    assert {event["suppressed_reason"] for event in found} == {None}


async def test_released_event_is_the_newest_one(db: Database) -> None:
    """Whoever reads in the order of sequence has passed its old place already."""
    old = datetime.now(UTC) - timedelta(days=8)
    async with detecting(db, watched=False) as detection:
        await watch(db, since=old - timedelta(days=30))
        await detection.write("estimates", 1, **OPEN, st_created_on=old)
        await detection.write("estimates", 2, **OPEN)
        first, second = await detection.events()
        await detection.recorder.replay(Request(entity=("estimate", 1), release=True))
        *_, last = await detection.events()
    assert (first["suppressed_reason"], second["suppressed_reason"]) == ("max_age", None)
    assert last["id"] == first["id"]
    assert last["sequence"] > second["sequence"]


async def test_overdue_invoice_is_found_from_its_row(db: Database) -> None:
    async with detecting(db) as detection:
        due_date = datetime.now(UTC).date() - timedelta(days=2)
        await detection.write("invoices", 9, status="Posted", total=80, balance=80, due_date=due_date)
        await detection.events()
        for table in ("automation.events", "automation.event_keys", "pcd.change_log"):
            await db.execute(f"DELETE FROM {table}")
        result = await detection.recorder.replay(Request(entity=("invoice", 9)))
    assert dict(result.counts) == {"invoice_created": 1, "invoice_overdue": 1}


async def test_appointment_includes_who_was_assigned_to_it(db: Database) -> None:
    """Those changes are of another table's rows."""
    blind = {name: rule for name, rule in RULES.items() if name != "technician_assigned"}
    async with detecting(db, rules=blind) as detection:
        await detection.write("appointment_assignments", 5, appointment_id=4, technician_id=55)
        await detection.write("appointment_assignments", 6, appointment_id=8, technician_id=55)
        assert await detection.events() == []
    async with detecting(db) as detection:
        result = await detection.recorder.replay(Request(entity=("appointment", 4)))
    assert [(event.type, event.entity_id) for event in result.events] == [("technician_assigned", 4)]


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(Request(types=("estimate_solt",)), id="unknown type"),
        pytest.param(Request(entity=("estimates", 1)), id="unknown entity"),
        pytest.param(Request(entity=("job", 1), types=("estimate_created",)), id="type of another entity"),
    ],
)
async def test_replay_of_nothing_is_refused(db: Database, request_: Request) -> None:
    async with detecting(db) as detection:
        with pytest.raises(ControlError):
            await detection.recorder.replay(request_)
