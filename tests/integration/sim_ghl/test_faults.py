"""What goes wrong, on which side of the commit, and what a person changes meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from pcd.sim.ghl.defaults import PIPELINES
from pcd.sim.trouble import Throttling, Trouble, TroubleRates

if TYPE_CHECKING:
    from integration.sim_ghl.conftest import Api, OpenApi

pytestmark = pytest.mark.asyncio
NEW = {"email": "a@example.com"}


async def create(api: Api) -> tuple[int, Any]:
    return await api.send("POST", "/contacts/", json={"locationId": api.location, **NEW})


@pytest.mark.parametrize(
    ("trouble", "status", "stored"),
    [
        (Trouble.RATE_LIMITED, 429, 0),
        (Trouble.SERVER_ERROR, 502, 0),
        (Trouble.SERVER_ERROR_AFTER, 504, 1),
        (Trouble.REFUSED_AFTER, 422, 1),
        (Trouble.SLOW_ANSWER, 201, 1),
        (Trouble.SLOW_BODY, 201, 1),
    ],
)
async def test_trouble_stands_on_its_side_of_the_commit(
    api: Api, trouble: Trouble, status: int, stored: int
) -> None:
    api.simulator.troubles.plan(trouble, method="POST", status=status, seconds=0.1)
    found, _ = await create(api)
    assert (found, len(api.simulator.store.contacts)) == (status, stored)
    [call] = api.simulator.calls
    assert (call.status, call.committed, call.trouble) == (status, bool(stored), trouble)


@pytest.mark.parametrize(
    ("trouble", "stored"),
    [(Trouble.RESET, 0), (Trouble.HANG, 0), (Trouble.RESET_AFTER, 1), (Trouble.HANG_AFTER, 1)],
)
async def test_lost_answer_leaves_the_write_or_not(api: Api, trouble: Trouble, stored: int) -> None:
    api.simulator.troubles.plan(trouble, path="^/contacts/$", seconds=0.1)
    with pytest.raises(aiohttp.ClientError):
        await create(api)
    assert len(api.simulator.store.contacts) == stored
    assert [(call.status, call.committed) for call in api.simulator.calls.writes] == [(0, bool(stored))]
    status, body = await create(api)
    assert (status, body.get("meta", {}).get("matchingField")) == ((400, "email") if stored else (201, None))


async def test_caller_who_gives_up_ends_the_wait(api: Api) -> None:
    api.simulator.troubles.plan(Trouble.HANG_AFTER, seconds=60)
    limit = aiohttp.ClientTimeout(total=0.2)
    with pytest.raises(TimeoutError):
        await api.send("POST", "/contacts/", json={"locationId": api.location}, timeout=limit)
    assert len(api.simulator.store.contacts) == 1


async def test_slow_answer_takes_its_seconds_after_the_write(api: Api) -> None:
    api.simulator.troubles.plan(Trouble.SLOW_ANSWER, seconds=0.3)
    started = time.monotonic()
    assert (await create(api))[0] == 201
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("form", list(Throttling))
async def test_429_in_every_form(api: Api, form: Throttling) -> None:
    api.simulator.troubles.plan(Trouble.RATE_LIMITED, throttling=form, seconds=7)
    async with api.session.get(f"{api.url}/users/", headers=api.headers) as answer:
        assert answer.status == 429
        assert answer.headers.get("Retry-After") == ("7" if "header" in form else None)
        assert (answer.content_type == "application/json") == ("json" in form)


async def test_faults_are_planned_and_counted_over_http(api: Api) -> None:
    url = f"{api.url}/_sim"
    plan = {"trouble": "server_error", "method": "POST", "path": "^/contacts/$", "times": 1, "status": 500}
    await api.session.post(f"{url}/plan", json=plan)
    await api.session.put(f"{url}/faults", json={"preset": "none", "slow_seconds": 0})
    assert [(await create(api))[0] for _ in range(2)] == [500, 201]
    await api.session.post(f"{url}/plan", json=plan)
    await api.session.delete(f"{url}/plan")
    assert (await create(api))[0] == 400
    async with api.session.get(f"{url}/state") as answer:
        state = await answer.json()
    assert (state["injected"], state["writes"], state["records"]["contacts"]) == ({"server_error": 1}, 3, 1)
    async with api.session.get(f"{url}/calls", params={"writes": "1"}) as answer:
        assert [call["status"] for call in await answer.json()] == [500, 201, 400]
    async with api.session.get(f"{url}/contacts") as answer:
        assert [one["email"] for one in await answer.json()] == ["a@example.com"]
    await api.session.delete(f"{url}/calls")
    assert len(api.simulator.calls) == 0


async def test_searches_and_reads_are_no_writes(api: Api) -> None:
    await api.search()
    await api.send("GET", "/users/", params={"locationId": api.location})
    await api.send("POST", "/oauth/token", data={"grant_type": "refresh_token"})
    assert (len(api.simulator.calls), api.simulator.calls.writes) == (3, [])


async def test_whatever_goes_wrong_no_two_contacts_share_a_key(opened: OpenApi) -> None:
    async with opened(window_calls=10_000) as api:
        rates = TroubleRates(seed=3, server_error_after=0.2, reset_after=0.2, refused_after=0.2, reset=0.1)
        api.simulator.troubles.switch(rates)
        for number in range(60):
            body = {"locationId": api.location, "email": f"a{number % 20}@example.com"}
            try:
                await api.send("POST", "/contacts/", json=body)
            except aiohttp.ClientError:
                continue
        emails = [one.email for one in api.simulator.store.contacts.values()]
        assert len(emails) == len(set(emails)) > 10
        assert len(api.simulator.calls.committed) == len(emails)


async def test_person_works_when_told(api: Api) -> None:
    contact_id = await api.contact(firstName="Maple")
    _, body = await api.opportunity(contact_id)
    card = body["opportunity"]["id"]
    url = f"{api.url}/_sim/person"
    stage = PIPELINES[0].stages[3].id
    for wanted in (
        {"do": "move_card", "opportunity": card, "stage": stage},
        {"do": "set_value", "opportunity": card, "value": 99.5},
        {"do": "set_status", "opportunity": card, "status": "won"},
        {"do": "edit_contact", "contact": contact_id, "fields": {"last_name": "Wren"}},
        {"do": "tag", "contact": contact_id, "tag": "VIP"},
    ):
        async with api.session.post(url, json=wanted) as answer:
            assert answer.status == 200, wanted
    store = api.simulator.store
    held = store.opportunities[card]
    assert (held.stage_id, held.monetary_value, held.status) == (stage, 99.5, "won")
    assert (store.contacts[contact_id].name, store.contacts[contact_id].tags) == ("Maple Wren", ("vip",))
    assert len(api.simulator.calls.writes) == 2
    api.simulator.person.delete_contact(contact_id)
    assert (len(store.contacts), len(store.opportunities)) == (0, 0)


async def test_person_works_by_chance_alike_for_the_same_seed(opened: OpenApi) -> None:
    deeds = []
    for _ in range(2):
        async with opened(person_actions_per_minute=30.0) as api:
            await api.opportunity(await api.contact(firstName="Maple"))
            api.clock.seconds += 60
            await api.send("GET", "/users/", params={"locationId": api.location})
            deeds.append(api.simulator.person.deeds)
    assert deeds[0] == deeds[1]
    assert len(deeds[0]) == 30
