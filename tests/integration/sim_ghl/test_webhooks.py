"""The webhooks that changes set off, and what becomes of those that are delivered."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import orjson
import pytest

from pcd.clock import Clock
from pcd.config import GhlConfig, Secret
from pcd.ghl.admit import Doorkeeping, Hint, admit, is_news
from pcd.ghl.client import connect
from pcd.sim.ghl.settings import GhlSimSettings
from pcd.sim.ghl.subaccount import open_subaccount
from pcd.sim.providers import ProviderSettings, open_providers
from pcd.sim.trouble import Trouble

if TYPE_CHECKING:
    from integration.sim_ghl.conftest import Api

pytestmark = pytest.mark.asyncio


def kinds(api: Api) -> list[str]:
    """Return the types of the webhooks that wait, and forget them."""
    pending = api.simulator.store.courier.pending
    found = [payload["type"] for payload in pending]
    pending.clear()
    return found


async def test_one_change_sets_off_several(api: Api) -> None:
    contact_id = await api.contact(tags=["a"])
    assert kinds(api) == ["ContactCreate", "ContactUpdate"]
    await api.send("POST", f"/contacts/{contact_id}/tags", json={"tags": ["b"]})
    assert kinds(api) == ["ContactTagUpdate", "ContactUpdate"]
    _, body = await api.opportunity(contact_id)
    assert kinds(api) == ["OpportunityCreate", "OpportunityUpdate"]
    stage = api.simulator.settings.pipelines[0].stages[3].id
    changes = {"pipelineStageId": stage, "status": "won", "monetaryValue": 10}
    card = body["opportunity"]["id"]
    await api.send("PUT", f"/opportunities/{card}", json=changes)
    assert kinds(api) == [
        "OpportunityStageUpdate",
        "OpportunityStatusUpdate",
        "OpportunityMonetaryValueUpdate",
        "OpportunityUpdate",
    ]
    api.simulator.person.move_card(card, api.simulator.settings.pipelines[0].stages[4].id)
    assert kinds(api) == ["OpportunityStageUpdate", "OpportunityUpdate"]
    await api.send("DELETE", f"/contacts/{contact_id}")
    assert kinds(api) == ["OpportunityDelete", "OpportunityUpdate", "ContactDelete", "ContactUpdate"]


async def test_replies_and_refused_requests(api: Api) -> None:
    contact_id = await api.contact(phone="+12025550101")
    kinds(api)
    await api.send("PUT", f"/contacts/{contact_id}", json={"unknown": 1})
    assert kinds(api) == []
    api.simulator.conversations.receive(contact_id, "STOP")
    assert kinds(api) == ["InboundMessage", "ContactDndUpdate", "ContactUpdate"]


async def test_delivery_shows_the_secret_and_repeats_after_429_alone(api: Api) -> None:
    await api.contact(firstName="Maple")
    async with open_providers(settings=ProviderSettings(sink_token="s3")) as providers:
        providers.troubles.plan(Trouble.RATE_LIMITED)
        wanted = {"url": f"{providers.url}/sink/ghl", "secret": "s3"}
        async with api.session.post(f"{api.url}/_sim/webhooks", json=wanted) as answer:
            assert (await answer.json())["statuses"] == [429, 200]
        providers.troubles.plan(Trouble.SERVER_ERROR, status=500)
        courier = api.simulator.store.courier
        assert await courier.deliver(wanted["url"], secret="s3") == [500]
        await api.contact(firstName="Pine")
        signed = await courier.deliver(
            wanted["url"], secret="s3", sign=lambda body: base64.b64encode(body[:3]).decode()
        )
        assert (signed, len(courier.pending)) == ([200, 200], 0)
        taken = providers.received.hooks
        assert [one.body["type"] for one in taken] == ["ContactUpdate", "ContactCreate", "ContactUpdate"]
        assert taken[-1].headers["X-GHL-Signature"] == base64.b64encode(b'{"t').decode()
        assert len({one.body["webhookId"] for one in taken}) == 3


async def test_nobody_to_deliver_to_is_said(api: Api) -> None:
    await api.contact()
    url = f"{api.url}/_sim/webhooks"
    async with api.session.post(url, json={"url": "http://127.0.0.1:9/"}) as answer:
        assert answer.status == 502
    assert (await api.session.post(url, json={})).status == 400
    async with api.session.get(url) as answer:
        assert [one["type"] for one in await answer.json()] == ["ContactUpdate"]


async def test_own_write_comes_back_and_is_no_news_but_a_persons_is() -> None:
    settings = GhlSimSettings()
    async with open_subaccount(settings=settings) as there:
        config = GhlConfig(api_url=there.url, token=Secret(settings.token), location_id=settings.location_id)
        rules = Doorkeeping(secret=b"s3", subaccount_id=settings.location_id)
        pending = there.simulator.store.courier.pending

        def news(stored: bytes) -> list[bool]:
            hints = [
                admit({"Authorization": "Bearer s3"}, orjson.dumps(one), rules=rules, now=Clock().now())
                for one in pending
            ]
            pending.clear()
            return [isinstance(hint, Hint) and is_news(hint, orjson.loads(stored)) for hint in hints]

        async with connect(config, clock=Clock()) as ghl:
            contact = await ghl.create_contact({"firstName": "Maple", "tags": ["Pool"]})
            assert news(contact.raw) == [False, False]
            card = await ghl.create_opportunity(
                {
                    "pipelineId": settings.pipelines[0].id,
                    "name": "Pool",
                    "status": "open",
                    "contactId": contact.id,
                    "monetaryValue": 1500.5,
                }
            )
            assert news(card.raw) == [False, False]
        there.simulator.person.set_value(card.id, 2000)
        assert news(card.raw) == [True, True]
        there.simulator.person.tag(contact.id, "vip")
        assert news(contact.raw) == [True, True]
