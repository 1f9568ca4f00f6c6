"""Checklist point 4: export endpoints."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pcd.sim.faults import Faults
from pcd.sim.settings import LagView, SimSettings

if TYPE_CHECKING:
    from integration.sim.conftest import Api, MakeApi

pytestmark = pytest.mark.asyncio
EXPORT = "/crm/v2/tenant/1000/export/customers"
ASSIGNMENTS = "/dispatch/v2/tenant/1000/export/appointment-assignments"
APPOINTMENTS = "/jpm/v2/tenant/1000/export/appointments"


async def test_export_shows_inactive_records_too_and_always_says_where_to_go_on(api: Api) -> None:
    body = await api.get(EXPORT)
    assert list(body) == ["hasMore", "continueFrom", "data"]
    assert [record["id"] for record in body["data"]] == list(range(1, 13))
    again = await api.get(EXPORT, **{"from": body["continueFrom"]})
    assert (again["hasMore"], again["data"]) == (False, [])
    assert again["continueFrom"]


async def test_page_size_is_the_servers_choice(simulated: MakeApi) -> None:
    async with simulated(settings=SimSettings(export_page_size=5)) as api:
        body = await api.get(EXPORT, pageSize="100")
        assert (len(body["data"]), body["hasMore"]) == (5, True)
        records, _ = await api.drain(EXPORT)
        assert [record["id"] for record in records] == list(range(1, 13))


async def test_date_begins_inclusively_at_the_modification_date(api: Api) -> None:
    assert await api.ids(EXPORT, **{"from": "2026-09-04T10:00:00.1234562Z"}) == [11, 12]
    assert await api.ids(EXPORT, **{"from": "2026-09-04T10:00:00.1234563Z"}) == [12]
    assert await api.ids(EXPORT, **{"from": "2020-01-01"}) == list(range(1, 13))


async def test_token_of_another_endpoint_or_generation_is_refused(api: Api) -> None:
    _, token = await api.drain(EXPORT)
    assert (await api.send("/jpm/v2/tenant/1000/export/jobs", **{"from": token}))[0] == 400
    assert (await api.send(EXPORT, **{"from": "nonsense"}))[0] == 400
    async with api.session.delete(f"{api.url}/_sim/continuations") as answer:
        assert answer.status == 204
    assert (await api.send(EXPORT, **{"from": token}))[0] == 400


async def test_change_is_in_the_plain_export_after_15_minutes_and_in_the_recent_one_at_once(api: Api) -> None:
    _, token = await api.drain(EXPORT)
    api.simulator.store["customers"].change(3, name="Egret Lane")
    assert await api.ids(EXPORT, **{"from": token}) == []
    assert await api.ids(EXPORT, **{"from": token, "includeRecentChanges": "true"}) == [3]
    api.clock.advance(timedelta(minutes=15))
    assert await api.ids(EXPORT, **{"from": token}) == [3]


async def test_recent_changes_come_again_until_they_have_settled(api: Api) -> None:
    _, token = await api.drain(EXPORT)
    api.simulator.store["customers"].change(3, name="Egret Lane")
    first, token = await api.drain(EXPORT, **{"from": token, "includeRecentChanges": "true"})
    second, token = await api.drain(EXPORT, **{"from": token, "includeRecentChanges": "true"})
    assert [record["id"] for record in first + second] == [3, 3]
    api.clock.advance(timedelta(minutes=16))
    _, token = await api.drain(EXPORT, **{"from": token, "includeRecentChanges": "true"})
    assert await api.ids(EXPORT, **{"from": token, "includeRecentChanges": "true"}) == []


@pytest.mark.parametrize(("view", "names"), [(LagView.PREVIOUS, ["Heron Court 3"]), (LagView.HIDDEN, [])])
async def test_plain_export_shows_the_previous_version_or_none_during_the_lag(
    simulated: MakeApi, view: LagView, names: list[str]
) -> None:
    async with simulated(settings=SimSettings(lag_view=view)) as api:
        api.simulator.store["customers"].change(3, name="Egret Lane")
        records, _ = await api.drain(EXPORT)
        assert [record["name"] for record in records if record["id"] == 3] == names
        assert len(records) == 11 + len(names)


async def test_nothing_put_behind_a_token_is_lost_whatever_its_date(api: Api) -> None:
    _, token = await api.drain(EXPORT)
    api.simulator.store["customers"].put(
        {"id": 99, "active": True}, modified_at=api.clock.now() - timedelta(days=30)
    )
    assert await api.ids(EXPORT, **{"from": token}) == [99]


async def test_deleted_record_comes_once_more_inactive_where_the_tenant_does_so(api: Api) -> None:
    shelf = api.simulator.store["customers"]
    _, token = await api.drain(EXPORT)
    shelf.delete(5)
    shelf.surfaces_deletes = False
    shelf.delete(6)
    api.clock.advance(timedelta(minutes=16))
    records, _ = await api.drain(EXPORT, **{"from": token})
    assert [(record["id"], record["active"]) for record in records] == [(5, False)]
    everything, _ = await api.drain(EXPORT)
    assert {5, 6} & {record["id"] for record in everything} == {5}


async def test_assignments_are_only_active_unless_asked_and_appointments_are_all(api: Api) -> None:
    for resource in ("appointment_assignments", "appointments"):
        for number in (80, 81):
            api.simulator.store[resource].put(
                {"id": number, "active": number == 80}, modified_at=api.clock.now() - timedelta(hours=1)
            )
    assert await api.ids(ASSIGNMENTS) == [80]
    assert await api.ids(ASSIGNMENTS, active="Any") == [80, 81]
    assert await api.ids(APPOINTMENTS) == [80, 81]
    assert await api.ids(APPOINTMENTS, active="True") == [80]


async def test_faults_of_exports_lose_nothing(simulated: MakeApi) -> None:
    faults = Faults(empty_page=0.4, disorder=1.0, duplicates=1.0)
    async with simulated(settings=SimSettings(export_page_size=4), faults=faults) as api:
        records, _ = await api.drain(EXPORT, includeRecentChanges="true")
        found = [record["id"] for record in records]
        assert set(found) == set(range(1, 13))
        assert len(found) > 12
        assert found != sorted(found)
        assert api.simulator.dice.counts["empty_page"] > 0
