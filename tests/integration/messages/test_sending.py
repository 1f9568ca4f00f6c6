from __future__ import annotations

import os
import signal
import sys
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.messaging import LONG_AGO, NOON, PHONE, Messaging, email, text

from pcd.db.pool import Database
from pcd.errors import ControlError
from pcd.messages import clerk
from pcd.messages.keeper import Keeper
from pcd.messages.message import (
    Dismissed,
    Overtaken,
    Parked,
    Possible,
    Rehearsed,
    Sent,
    Unaddressed,
    Unsent,
    Withheld,
)
from pcd.sim.trouble import Trouble

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio
SENDING = "/conversations/messages"


async def test_message_goes_out_once_however_often_it_is_asked_for(desk: Messaging) -> None:
    await desk.customer()
    first = await desk.messenger().send(text())
    again = await desk.messenger().send(text(said="Other words."))
    assert isinstance(first, Sent)
    assert isinstance(again, Sent)
    assert (first.is_new, again.is_new, again.log_id) == (True, False, first.log_id)
    assert desk.texts() == ["Hello."]
    (row,) = await desk.log()
    assert (row["status"], row["to_phone"], row["provider"]) == ("sent", PHONE, "ghl")
    assert row["provider_message_id"] == first.provider_message_id


async def test_two_at_once_send_one(desk: Messaging) -> None:
    await desk.customer()
    desk.sim.troubles.plan(Trouble.SLOW_ANSWER, path=SENDING, seconds=0.3)
    results: list[Any] = []

    async def send() -> None:
        results.append(await desk.messenger().send(text()))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(send)
    assert len(desk.texts()) == 1
    assert await desk.statuses() == ["sent"], "the answer settles what the others took for lost"


async def test_answer_that_takes_long_is_one_message(desk: Messaging) -> None:
    """The old engine selected the step again while the provider was at work, and sent three."""
    await desk.customer()
    desk.sim.troubles.plan(Trouble.SLOW_ANSWER, path=SENDING, seconds=1.0)
    async with anyio.create_task_group() as group:
        group.start_soon(desk.messenger().send, text())
        await desk.until(lambda: _is(desk, "claimed"))
        for _ in range(3):
            assert isinstance(await desk.messenger().send(text()), Parked)
    assert desk.texts() == ["Hello."]
    assert await desk.statuses() == ["sent"]


async def test_rehearsed_message_is_recorded_and_not_sent(desk: Messaging) -> None:
    await desk.customer()
    rehearsal = desk.messenger(config=desk.through(mode="dry_run"))
    assert isinstance(await rehearsal.send(text()), Rehearsed)
    assert isinstance(await rehearsal.send(text()), Rehearsed)
    assert (desk.texts(), await desk.statuses()) == ([], ["dry_run"])
    assert isinstance(await desk.messenger().send(text()), Sent), "what was rehearsed may still go out"


async def test_nothing_is_even_recorded_while_messages_are_off(desk: Messaging) -> None:
    await desk.customer()
    result = await desk.messenger(config=desk.through(mode="off")).send(text())
    assert isinstance(result, Withheld)
    assert await desk.log() == []


async def test_only_asking_leaves_no_trace(desk: Messaging) -> None:
    await desk.customer()
    assert isinstance(await desk.messenger().send(text(), only_ask=True), Possible)
    await desk.prefer(sms_opted_out=True)
    assert isinstance(await desk.messenger().send(text(), only_ask=True), Withheld)
    assert await desk.log() == []


async def test_opt_out_while_the_contact_is_being_read_is_obeyed(desk: Messaging) -> None:
    contact_id = await desk.customer()
    desk.sim.troubles.plan(Trouble.SLOW_ANSWER, method="GET", path=contact_id, seconds=0.4)
    results: list[Any] = []

    async def send() -> None:
        results.append(await desk.messenger().send(text()))

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        await desk.until(lambda: _was_asked(desk, contact_id))
        await desk.prefer(sms_opted_out=True)
    assert results == [Withheld("no text message: the customer opted out")]
    assert desk.texts() == []


async def test_workflow_that_stops_meanwhile_sends_nothing(desk: Messaging) -> None:
    await desk.customer()

    async def sold() -> str:
        return "goal_achieved"

    assert await desk.messenger().send(text(), still_wanted=sold) == Overtaken("goal_achieved")
    assert (desk.texts(), await desk.log()) == ([], [])


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"sms_opted_out": True}, "opted out"),
        ({"do_not_contact": True}, "contacted"),
        ({"max_messages_per_day": 0}, "cap"),
    ],
)
async def test_wish_of_the_customer_is_obeyed(desk: Messaging, wish: dict[str, Any], why: str) -> None:
    await desk.customer()
    await desk.prefer(**wish)
    result = await desk.messenger().send(text())
    assert isinstance(result, Withheld)
    assert (why in result.reason, result.until) == (True, None)


@pytest.mark.parametrize(
    ("columns", "why"),
    [({"do_not_service": True}, "do not service"), ({"active": False}, "not active")],
)
async def test_flag_of_servicetitan_is_obeyed(desk: Messaging, columns: dict[str, Any], why: str) -> None:
    await desk.customer(**columns)
    result = await desk.messenger().send(text())
    assert isinstance(result, Withheld)
    assert why in result.reason


async def test_opted_out_of_texts_still_gets_email(desk: Messaging) -> None:
    await desk.customer()
    await desk.prefer(sms_opted_out=True)
    assert isinstance(await desk.messenger().send(email()), Sent)


async def test_email_of_who_wants_no_mail_is_not_sent(desk: Messaging) -> None:
    await desk.customer(do_not_mail=True)
    assert isinstance(await desk.messenger().send(email()), Withheld)
    assert isinstance(await desk.messenger().send(text("k:2")), Sent)


@pytest.mark.parametrize("owner", [1, 2], ids=["own", "another-customers"])
async def test_number_that_must_not_be_texted_is_not(desk: Messaging, owner: int) -> None:
    await desk.customer()
    await desk.phone_of(owner, "8132345001", do_not_text=True)
    result = await desk.messenger().send(text())
    assert result == Withheld("no text message: ServiceTitan says do not text")


async def test_do_not_disturb_of_gohighlevel_is_read_at_the_moment_of_sending(desk: Messaging) -> None:
    contact_id = await desk.customer()
    assert isinstance(await desk.messenger().send(text()), Sent)
    desk.sim.person.edit_contact(contact_id, dnd_settings={"SMS": {"status": "active"}})
    result = await desk.messenger().send(text("k:2"))
    assert result == Withheld("no text message: GoHighLevel says do not disturb")
    assert isinstance(await desk.messenger().send(email("k:3")), Sent)


async def test_do_not_disturb_that_is_set_in_the_last_moment_withholds_it(desk: Messaging) -> None:
    contact_id = await desk.customer()
    desk.sim.troubles.plan(Trouble.SLOW_ANSWER, method="GET", path=contact_id, seconds=0.4)
    results: list[Any] = []

    async def send() -> None:
        results.append(await desk.messenger().send(text()))

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        await desk.until(lambda: _was_asked(desk, contact_id))
        desk.sim.person.edit_contact(contact_id, dnd_settings={"SMS": {"status": "active"}})
    assert results == [Withheld("GoHighLevel says do not disturb")]
    assert await desk.statuses() == ["failed"]
    desk.sim.person.edit_contact(contact_id, dnd_settings={})
    assert isinstance(await desk.messenger().send(text()), Sent)


@pytest.mark.parametrize("named", [2, 3])
async def test_opt_out_of_a_merged_customer_holds_for_the_heir(desk: Messaging, named: int) -> None:
    """And for the heir's heir."""
    await desk.customer(1)
    await desk.customer(2, merged_to_id=1, active=False)
    assert isinstance(await desk.messenger().send(text(customer_id=2)), Sent)
    await desk.customer(3, merged_to_id=2, active=False)
    await desk.prefer(named, sms_opted_out=True)
    for customer_id in (1, 2):
        result = await desk.messenger().send(text(f"to:{customer_id}", customer_id=customer_id))
        assert result == Withheld("no text message: the customer opted out")


async def test_quiet_hours_are_those_of_the_customers_row(desk: Messaging) -> None:
    await desk.customer()
    await desk.prefer(quiet_hours_start=time(8), quiet_hours_end=time(10), timezone="America/Los_Angeles")
    result = await desk.messenger().send(text())
    assert result == Withheld("quiet hours", NOON + timedelta(hours=1))


async def test_one_slot_is_taken_by_one_of_many(desk: Messaging) -> None:
    await desk.customer()
    config = desk.through(max_per_day=1)
    other = await Database.connect(desk.db.url, pool_size=4, wait=timedelta(seconds=5))
    results: list[Any] = []

    async def send(number: int) -> None:
        sender = desk.messenger(config=config, db=other if number % 2 else None)
        results.append(await sender.send(text(f"k:{number}")))

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(send, number)
    await other.close()
    assert sorted(type(result).__name__ for result in results) == ["Sent"] + ["Withheld"] * 7
    assert len(desk.texts()) == 1


@pytest.mark.parametrize(
    "trouble", [Trouble.RESET_AFTER, Trouble.SERVER_ERROR_AFTER, Trouble.RESET, Trouble.SERVER_ERROR]
)
async def test_call_without_an_answer_is_parked_and_never_repeated(desk: Messaging, trouble: Trouble) -> None:
    await desk.customer()
    desk.sim.troubles.plan(trouble, path=SENDING)
    assert isinstance(await desk.messenger().send(text()), Parked)
    sent = len(desk.texts())
    for _ in range(3):
        assert isinstance(await desk.messenger().send(text()), Parked)
    assert (len(desk.texts()), sent) in {(0, 0), (1, 1)}
    assert await desk.statuses() == ["parked"]


async def test_cancelled_call_is_parked(desk: Messaging) -> None:
    await desk.customer()
    desk.sim.troubles.plan(Trouble.HANG_AFTER, path=SENDING, seconds=5)
    with anyio.move_on_after(0.5) as scope:
        await desk.messenger().send(text())
    assert scope.cancelled_caught
    assert await desk.statuses() == ["parked"]
    assert isinstance(await desk.messenger().send(text()), Parked)


async def test_person_releases_or_drops_what_is_parked(desk: Messaging) -> None:
    await desk.customer()
    for number in (1, 2):
        desk.sim.troubles.plan(Trouble.RESET, path=SENDING)
        await desk.messenger().send(text(f"k:{number}"))
    first, second = [str(row["id"]) for row in await desk.log()]
    assert (await clerk.release(desk.db, first, by="somebody")).status == "released"
    assert (await clerk.drop(desk.db, second[:13], by="somebody")).status == "dropped"
    assert isinstance(await desk.messenger().send(text("k:1")), Sent)
    assert isinstance(await desk.messenger().send(text("k:2")), Dismissed)
    assert desk.texts() == ["Hello."]
    with pytest.raises(ControlError, match="not parked"):
        await clerk.release(desk.db, first, by="somebody")
    listed = await clerk.entries(desk.db)
    assert sorted(one.status for one in listed) == ["dropped", "sent"]


async def test_contact_without_a_number_is_no_address_until_it_has_one(desk: Messaging) -> None:
    contact_id = await desk.customer()
    contact = desk.sim.store.contacts[contact_id]
    desk.sim.person.edit_contact(contact_id, phone="")
    assert isinstance(await desk.messenger().send(text()), Unaddressed)
    desk.sim.person.edit_contact(contact_id, phone=contact.phone)
    assert isinstance(await desk.messenger().send(text()), Sent)


async def test_customer_without_a_contact_is_tried_again_later(desk: Messaging) -> None:
    await desk.customer()
    await desk.db.execute("UPDATE pcd.crm_customers SET contact_id = NULL")
    result = await desk.messenger().send(text())
    assert isinstance(result, Unsent)
    assert not result.is_final
    assert await desk.log() == []


async def test_stale_claim_is_parked_for_a_person(desk: Messaging) -> None:
    await desk.customer()
    desk.sim.troubles.plan(Trouble.SLOW_ANSWER, path=SENDING, seconds=0.5)
    keeper = Keeper(desk.db, clock=desk.clock)
    async with anyio.create_task_group() as group:
        group.start_soon(desk.messenger().send, text())
        await desk.until(lambda: _is(desk, "claimed"))
        assert await keeper.park_stale() == 0
        desk.clock.at += LONG_AGO
        assert await keeper.park_stale() == 1
        assert await desk.statuses() == ["parked"]
    assert await desk.statuses() == ["sent"], "an answer that comes all the same is recorded"


async def test_answer_is_recorded_though_the_database_was_away(desk: Messaging) -> None:
    await desk.customer()
    desk.sim.troubles.plan(Trouble.SLOW_ANSWER, path=SENDING, seconds=0.5)
    other = await Database.connect(desk.db.url, pool_size=1, wait=timedelta(seconds=5))
    results: list[Any] = []

    async def send() -> None:
        results.append(await desk.messenger().send(text()))

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        await desk.until(lambda: _is(desk, "claimed"))
        await other.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    await other.close()
    assert [type(result) for result in results] == [Sent]
    assert (await desk.statuses(), desk.texts()) == (["sent"], ["Hello."])


async def test_message_of_a_killed_process_is_parked_and_not_sent_again(
    desk: Messaging, tmp_path: Path
) -> None:
    await desk.customer()
    desk.sim.troubles.plan(Trouble.HANG_AFTER, path=SENDING, seconds=20)
    program = [sys.executable, "-m", "support.dying_sender", desk.db.url, str(tmp_path / "config.toml")]
    async with await anyio.open_process(program, env={**os.environ, "PYTHONPATH": "tests"}) as process:
        await desk.until(lambda: _has_texts(desk))
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert await desk.statuses() == ["claimed"]
    assert isinstance(await desk.messenger().send(text()), Parked)
    assert (await desk.statuses(), desk.texts()) == (["parked"], ["Hello."])


async def _is(desk: Messaging, status: str) -> bool:
    return await desk.statuses() == [status]


async def _was_asked(desk: Messaging, contact_id: str) -> bool:
    return bool(desk.sim.calls.to(f"/contacts/{contact_id}"))


async def _has_texts(desk: Messaging) -> bool:
    return bool(desk.texts())
