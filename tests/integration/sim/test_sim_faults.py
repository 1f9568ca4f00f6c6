"""Checklist points 6 and 7: what goes wrong, and how records look on the wire."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import aiohttp
import orjson
import pytest

from pcd.sim.faults import PRESETS, Faults

if TYPE_CHECKING:
    from integration.sim.conftest import Api, MakeApi

pytestmark = pytest.mark.asyncio
CUSTOMERS = "/crm/v2/tenant/1000/customers"
EXPORT = "/crm/v2/tenant/1000/export/customers"


async def test_server_error_is_a_page_for_people(simulated: MakeApi) -> None:
    async with simulated() as api:
        api.token = (await api.post_token())[1]["access_token"]
        api.simulator.dice.switch(Faults(server_error=1.0))
        statuses = set()
        for _ in range(20):
            status, body = await api.send(CUSTOMERS)
            statuses.add(status)
            assert body.startswith(b"<html>")
        assert statuses == {500, 502, 503}


async def test_maintenance_is_a_409_with_the_observed_title(simulated: MakeApi) -> None:
    async with simulated(faults=Faults(maintenance=1.0)) as api:
        status, body = await api.send(CUSTOMERS)
        assert status == 409
        title = "The service is suspended for maintenance. Please try again later."
        assert orjson.loads(body)["title"] == title


async def test_429_comes_in_turn_in_each_form(simulated: MakeApi) -> None:
    async with simulated(faults=Faults(rate_limited=1.0)) as api:
        bodies = [(await api.send(CUSTOMERS))[1] for _ in range(4)]
        assert len({(b"Try again" in body, b"traceId" in body, b"Too many" in body) for body in bodies}) == 4


@pytest.mark.parametrize(
    "faults", [Faults(reset=1.0), Faults(hang=1.0, hang_seconds=0.01)], ids=["reset", "hang"]
)
async def test_connection_breaks_instead_of_an_answer(simulated: MakeApi, faults: Faults) -> None:
    async with simulated(faults=faults) as api:
        with pytest.raises(aiohttp.ClientError):
            await api.send(CUSTOMERS)


async def test_truncated_body_is_valid_http_and_half_of_the_json(simulated: MakeApi) -> None:
    async with simulated(faults=Faults(truncated=1.0)) as api:
        status, body = await api.send(CUSTOMERS)
        assert status == 200
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(body)


async def test_echo_names_another_page(simulated: MakeApi) -> None:
    async with simulated(faults=Faults(wrong_page=1.0)) as api:
        assert (await api.get(CUSTOMERS, page="1"))["page"] == 2


async def test_token_that_expires_in_the_middle_stays_expired(api: Api) -> None:
    assert (await api.send(CUSTOMERS))[0] == 200
    api.simulator.dice.switch(Faults(token_expired=1.0))
    assert (await api.send(CUSTOMERS))[0] == 401
    api.simulator.dice.switch(Faults())
    assert (await api.send(CUSTOMERS))[0] == 401
    api.token = ""
    assert (await api.send(CUSTOMERS))[0] == 200


async def test_stored_continuation_is_refused_but_a_fresh_start_is_not(simulated: MakeApi) -> None:
    async with simulated(faults=Faults(export_token_refused=1.0)) as api:
        token = (await api.get(EXPORT))["continueFrom"]
        assert (await api.send(EXPORT, **{"from": token}))[0] == 400
        assert (await api.send(EXPORT, **{"from": "2020-01-01"}))[0] == 200


async def test_each_injected_fault_is_counted(simulated: MakeApi) -> None:
    async with simulated(faults=Faults(maintenance=1.0)) as api:
        await api.send(CUSTOMERS)
        await api.send(CUSTOMERS)
        async with api.session.get(f"{api.url}/_sim/state") as answer:
            state = await answer.json()
        assert state["injected"] == {"maintenance": 2}
        assert state["requests"][CUSTOMERS.replace("1000", "{tenant}")] == 2


async def test_values_are_written_as_the_real_api_writes_them(api: Api) -> None:
    api.simulator.store["customers"].put({"id": 30, "balance": Decimal("25.17"), "active": True})
    _, body = await api.send(CUSTOMERS, ids="30")
    assert b'"balance":25.1700' in body
    assert b'"modifiedOn":"2026-09-04T12:00:00.1234562Z"' in body


async def test_drift_is_the_same_in_every_answer_and_in_the_dump(simulated: MakeApi) -> None:
    faults = Faults(unknown_field=0.5, nul_text=0.5)
    async with simulated(faults=faults) as api:
        first = (await api.get(EXPORT))["data"]
        second = (await api.get(EXPORT))["data"]
        async with api.session.get(f"{api.url}/_sim/resources/customers") as answer:
            lines = [orjson.loads(line) for line in (await answer.text()).splitlines()]
        assert first == second == sorted(lines, key=lambda record: record["id"])
        assert 0 < sum("serviceScore" in record for record in first) < 12
        assert 0 < sum("\x00" in record["name"] for record in first) < 12


async def test_presets_and_rates_are_switched_over_http(api: Api) -> None:
    async with api.session.put(f"{api.url}/_sim/faults", json={"preset": "storm", "hang": 0}) as answer:
        assert answer.status == 200
    assert api.simulator.dice.faults.server_error == PRESETS["storm"].server_error
    assert api.simulator.dice.faults.hang == 0
    async with api.session.put(f"{api.url}/_sim/faults", json={"preset": "drizzle"}) as answer:
        assert answer.status == 400
    async with api.session.put(f"{api.url}/_sim/faults", json={"wind": 1}) as answer:
        assert answer.status == 400


async def test_records_are_changed_over_http(api: Api) -> None:
    url = f"{api.url}/_sim/resources/customers"
    async with api.session.post(url, json={"put": {"name": "Osprey Point", "active": True}}) as answer:
        made = await answer.json()
    async with api.session.post(url, json={"change": {"id": made["id"], "name": "Osprey Bay"}}) as answer:
        assert (await answer.json())["name"] == "Osprey Bay"
    async with api.session.post(url, json={"deactivate": made["id"]}) as answer:
        assert (await answer.json())["active"] is False
    async with api.session.post(url, json={"delete": made["id"]}) as answer:
        assert await answer.json() is None
    async with api.session.post(url, json={"delete": made["id"]}) as answer:
        assert answer.status == 400
