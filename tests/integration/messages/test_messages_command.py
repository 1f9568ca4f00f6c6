"""``pcd messages``, as a person types it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.daemons import Home
from support.detecting import upsert

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

PARKED = """INSERT INTO automation.messaging_log (
    channel, direction, to_phone, body, status, idempotency_key, customer_id, claimed_at, provider, reason,
    workflow_instance_id, metadata
)
VALUES (
    'sms', 'outbound', '+18132345001', 'Private words.', 'parked', $1, 7, now(), 'ghl', 'no answer',
    gen_random_uuid(), '{"workflow": "Estimate Follow-Up", "step": 2}'
)
RETURNING id::text"""


async def test_parked_messages_are_shown_and_decided_about(db: Database, tmp_path: Path) -> None:
    home = Home(tmp_path, {"database.url": db.url})
    first, second = [await db.fetchval(PARKED, f"k:{number}") for number in (1, 2)]
    shown = await home.command("messages", "parked")
    assert shown.code == 0, shown.err
    assert "Estimate Follow-Up step 2" in shown.out
    assert "no answer" in shown.out
    assert "Private" not in shown.out
    assert "+1813" not in shown.out
    released = await home.command("messages", "release", first)
    assert released.code == 0, released.err
    assert "pcd workflow retry" in released.out
    dropped = await home.command("messages", "drop", second, "--json")
    assert dropped.json["status"] == "dropped"
    assert (await home.command("messages", "parked")).out == "nothing is parked\n"
    listed = await home.command("messages", "list", "--customer", "7", "--json")
    assert sorted(one["status"] for one in listed.json) == ["dropped", "released"]


async def test_what_is_not_parked_cannot_be_decided_about(db: Database, tmp_path: Path) -> None:
    home = Home(tmp_path, {"database.url": db.url})
    found = await db.fetchval(PARKED, "k:1")
    await db.execute("UPDATE automation.messaging_log SET status = 'sent'")
    refused = await home.command("messages", "drop", found)
    assert (refused.code, "not parked" in refused.err) == (1, True)
    unknown = await home.command("messages", "release", "ffffffff-ffff")
    assert unknown.code == 2, unknown.err


async def test_what_was_and_was_not_sent_to_a_customer_is_explained(db: Database, tmp_path: Path) -> None:
    home = Home(tmp_path, {"database.url": db.url})
    await db.execute(*upsert("customers", 7, name="Heron Court", active=True))
    await db.execute(
        "INSERT INTO public.customer_communication_preferences (customer_id, sms_opted_out, opt_out_reason) "
        "VALUES (7, true, 'STOP reply: Stop')"
    )
    await db.fetchval(PARKED, "k:1")
    told = await home.command("explain", "customer", "7")
    assert told.code == 0, told.err
    assert "wishes: sms opted out, because STOP reply: Stop" in told.out
    assert "outbound sms ghl: parked (workflow Estimate Follow-Up step 2), because no answer" in told.out
    as_json = await home.command("explain", "customer", "7", "--json")
    assert [one["status"] for one in as_json.json["messages"]] == ["parked"]
