"""Messages out and in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from integration.sim_ghl.conftest import Api

pytestmark = pytest.mark.asyncio
SEND = "/conversations/messages"


async def texted(api: Api, contact_id: str, **changes: str) -> tuple[int, Any]:
    body = {"type": "SMS", "contactId": contact_id, "message": "Your visit is tomorrow."} | changes
    return await api.send("POST", SEND, json=body)


async def test_messages_of_both_kinds_arrive_and_can_be_read(api: Api) -> None:
    contact_id = await api.contact(phone="+12025550101", email="a@example.com")
    status, sent = await texted(api, contact_id)
    assert (status, sent["status"]) == (200, "pending")
    email = {"type": "Email", "contactId": contact_id, "subject": "Your visit", "html": "<p>Tomorrow.</p>"}
    status, mailed = await api.send("POST", SEND, json=email)
    assert (status, mailed["conversationId"]) == (200, sent["conversationId"])
    assert mailed["emailMessageId"]
    found = api.simulator.store.messages_to(contact_id)
    assert [(one.kind, one.to) for one in found] == [("SMS", "+12025550101"), ("Email", "a@example.com")]
    where = {"locationId": api.location, "contactId": contact_id}
    _, body = await api.send("GET", "/conversations/search", params=where)
    [conversation] = body["conversations"]
    path = f"/conversations/{conversation['id']}/messages"
    _, page = await api.send("GET", path, params={"limit": "1"})
    assert ([one["messageType"] for one in page["messages"]], page["nextPage"]) == (["TYPE_EMAIL"], True)
    _, page = await api.send("GET", path, params={"lastMessageId": page["lastMessageId"]})
    assert ([one["id"] for one in page["messages"]], page["nextPage"]) == ([sent["messageId"]], False)
    assert (await api.send("GET", f"{SEND}/{sent['messageId']}"))[1]["status"] == "delivered"


async def test_stop_reply_turns_text_messages_off_and_email_not(api: Api) -> None:
    contact_id = await api.contact(phone="+12025550101", email="a@example.com")
    await texted(api, contact_id)
    await api.session.post(f"{api.url}/_sim/inbound", json={"contact": contact_id, "text": " stop "})
    _, body = await api.send("GET", f"/contacts/{contact_id}")
    assert body["contact"]["dndSettings"]["SMS"]["status"] == "active"
    status, answer = await texted(api, contact_id)
    assert (status, answer["message"]) == (400, "Cannot send message as DND is active for SMS.")
    assert (await texted(api, contact_id, type="Email"))[0] == 200
    assert len(api.simulator.store.messages_to(contact_id)) == 2
    inbound = [one.body for one in api.simulator.store.messages.values() if one.direction == "inbound"]
    assert inbound == [" stop "]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"message": ""}, 422),
        ({"type": "Pigeon"}, 422),
        ({"type": "WhatsApp"}, 400),
        ({"type": "Email"}, 400),
        ({"contactId": "nobody"}, 400),
        ({"to": "+12025550102"}, 422),
    ],
    ids=str,
)
async def test_message_is_refused(api: Api, changes: dict[str, str], status: int) -> None:
    contact_id = await api.contact(phone="+12025550101")
    assert (await texted(api, contact_id, **changes))[0] == status
    assert len(api.simulator.store.messages) == 0


async def test_dnd_of_everything_stops_everything(api: Api) -> None:
    contact_id = await api.contact(phone="+12025550101", email="a@example.com", dnd=True)
    assert (await texted(api, contact_id))[0] == 400
    assert (await texted(api, contact_id, type="Email"))[0] == 400


async def test_conversation_is_opened_once(api: Api) -> None:
    body = {"locationId": api.location, "contactId": await api.contact()}
    status, first = await api.send("POST", "/conversations/", json=body)
    assert status == 201
    assert (await api.send("POST", "/conversations/", json=body))[1] == first
    assert (await api.send("GET", "/conversations/none/messages"))[0] == 400
