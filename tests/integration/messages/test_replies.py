from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.messaging import PHONE, Messaging, text

from pcd.messages.keeper import seed
from pcd.messages.message import Sent, Withheld
from pcd.messages.stop_reader import EVERY, StopReader
from pcd.sim.trouble import Trouble

if TYPE_CHECKING:
    from pcd.db.pool import Record

pytestmark = pytest.mark.asyncio


async def replied(desk: Messaging, contact_id: str, *texts: str) -> int:
    """Let the contact write, and return how many conversations are read next time."""
    for one in texts:
        desk.sim.conversations.receive(contact_id, one)
        # GoHighLevel's own reaction to STOP is not what is looked at here.
        desk.sim.person.edit_contact(contact_id, dnd_settings={})
    desk.clock.at += EVERY + timedelta(seconds=1)
    return await StopReader(desk.db, desk.ghl, clock=desk.clock).read_due()


async def wishes(desk: Messaging) -> dict[int, Record]:
    rows = await desk.db.fetch("SELECT * FROM public.customer_communication_preferences")
    return {row["customer_id"]: row for row in rows}


@pytest.fixture(autouse=True)
def _now(desk: Messaging) -> None:
    """Let our clock show what the simulator's shows, and nothing be quiet."""
    desk.clock.at = desk.sim.store.clock.now()
    desk.config = desk.through(quiet_hours="")


async def test_stop_ends_text_messages_and_start_lets_them_begin_again(desk: Messaging) -> None:
    contact_id = await desk.customer()
    assert isinstance(await desk.messenger().send(text()), Sent)
    assert await replied(desk, contact_id, "Thanks!", "STOP") == 1
    assert (await wishes(desk))[1]["opt_out_reason"] == "STOP reply: STOP"
    assert isinstance(await desk.messenger().send(text("k:2")), Withheld)
    await replied(desk, contact_id, "start")
    assert (await wishes(desk))[1]["sms_opted_out"] is False
    assert isinstance(await desk.messenger().send(text("k:3")), Sent)


async def test_stop_holds_for_every_customer_with_that_number(desk: Messaging) -> None:
    contact_id = await desk.customer(1)
    await desk.customer(2)
    await desk.phone_of(1, PHONE[2:])
    await desk.phone_of(2, PHONE[2:])
    await desk.messenger().send(text())
    await replied(desk, contact_id, "Stop")
    assert sorted(await wishes(desk)) == [1, 2]
    assert isinstance(await desk.messenger().send(text("k:2", customer_id=2)), Withheld)


async def test_start_takes_back_what_a_merged_customer_said(desk: Messaging) -> None:
    contact_id = await desk.customer(1)
    await desk.customer(2, merged_to_id=1, active=False)
    await desk.customer(3, merged_to_id=2, active=False)
    await desk.messenger().send(text())
    await desk.prefer(3, sms_opted_out=True, opt_out_reason="STOP reply: STOP")
    assert isinstance(await desk.messenger().send(text("k:2")), Withheld)
    await replied(desk, contact_id, "START")
    assert isinstance(await desk.messenger().send(text("k:3")), Sent)


async def test_what_a_person_set_is_not_undone_by_start(desk: Messaging) -> None:
    contact_id = await desk.customer()
    await desk.messenger().send(text())
    await desk.prefer(sms_opted_out=True, opt_out_reason="asked on the phone")
    await replied(desk, contact_id, "START")
    assert (await wishes(desk))[1]["sms_opted_out"] is True


async def test_reply_is_recorded_and_obeyed_once(desk: Messaging) -> None:
    """A person who lets messages begin again must not be overruled by the old reply."""
    contact_id = await desk.customer()
    await desk.messenger().send(text())
    await replied(desk, contact_id, "STOP")
    await desk.db.execute("UPDATE public.customer_communication_preferences SET sms_opted_out = false")
    await replied(desk, contact_id)
    assert (await wishes(desk))[1]["sms_opted_out"] is False
    rows = [row for row in await desk.log() if row["direction"] == "inbound"]
    assert [(row["body"], row["from_phone"], row["status"]) for row in rows] == [("STOP", PHONE, "received")]


async def test_own_defaults_of_the_table_do_not_become_the_customers(desk: Messaging) -> None:
    contact_id = await desk.customer()
    await desk.messenger().send(text())
    await replied(desk, contact_id, "STOP")
    row = (await wishes(desk))[1]
    assert (row["max_messages_per_day"], row["max_messages_per_week"], row["timezone"]) == (None, None, None)


async def test_conversation_is_read_again_after_a_while_and_not_before(desk: Messaging) -> None:
    contact_id = await desk.customer()
    await desk.messenger().send(text())
    reader = StopReader(desk.db, desk.ghl, clock=desk.clock)
    assert await reader.read_due() == 1
    assert await reader.read_due() == 0
    assert await replied(desk, contact_id) == 1
    desk.clock.at += timedelta(days=15)
    assert await reader.read_due() == 0, "nobody was written to for two weeks"


async def test_gohighlevel_that_does_not_answer_ends_nothing(desk: Messaging) -> None:
    contact_id = await desk.customer()
    await desk.messenger().send(text())
    desk.sim.conversations.receive(contact_id, "STOP")
    desk.sim.troubles.plan(Trouble.SERVER_ERROR, path="/conversations/search", times=2)
    reader = StopReader(desk.db, desk.ghl, clock=desk.clock)
    while not await wishes(desk):
        await reader.read_due()
        desk.clock.at += EVERY
    assert (await wishes(desk))[1]["sms_opted_out"] is True


async def test_missing_right_to_read_replies_is_told_once(
    desk: Messaging, caplog: pytest.LogCaptureFixture
) -> None:
    """A STOP that is not seen is no matter of single conversations."""
    for st_id in (1, 2):
        contact_id = await desk.customer(st_id)
        await desk.messenger().send(text(f"k:{st_id}", customer_id=st_id))
        desk.sim.conversations.receive(contact_id, "STOP")
    desk.sim.gate.revoked = frozenset({"conversations.readonly"})
    reader = StopReader(desk.db, desk.ghl, clock=desk.clock)
    for _ in range(2):
        assert await reader.read_due() == 0
        desk.clock.at += EVERY
    (told,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "STOP is not seen meanwhile" in told
    desk.sim.gate.revoked = frozenset()
    assert await reader.read_due() == 2
    assert sorted(await wishes(desk)) == [1, 2]


async def test_templates_of_the_old_system_are_seeded_into_an_empty_table_only(desk: Messaging) -> None:
    assert await seed(desk.db) == 5
    assert await seed(desk.db) == 0
    await desk.db.execute("DELETE FROM automation.messaging_templates WHERE name <> 'estimate_sent'")
    assert await seed(desk.db) == 0
    assert await desk.db.fetchval("SELECT count(*) FROM automation.messaging_templates") == 1
