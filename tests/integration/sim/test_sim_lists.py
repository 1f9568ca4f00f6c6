"""Checklist point 3: list endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from pcd.sim.settings import Overflow, SimSettings

if TYPE_CHECKING:
    from integration.sim.conftest import Api, MakeApi

pytestmark = pytest.mark.asyncio
CUSTOMERS = "/crm/v2/tenant/1000/customers"
CONTACTS = "/crm/v2/tenant/1000/customers/contacts"
ACTIVE = [11, 10, 9, 7, 6, 5, 3, 2, 1]
EVERY = list(range(12, 0, -1))


async def test_default_page_is_50_active_records_the_highest_id_first(api: Api) -> None:
    body = await api.get(CUSTOMERS)
    assert list(body) == ["page", "pageSize", "hasMore", "totalCount", "data"]
    assert (body["page"], body["pageSize"], body["hasMore"], body["totalCount"]) == (1, 50, False, None)
    assert [record["id"] for record in body["data"]] == ACTIVE


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({"active": "Any"}, EVERY),
        ({"active": "True"}, ACTIVE),
        ({"active": "False"}, [12, 8, 4]),
        ({"activeState": "All"}, ACTIVE),
        ({"swimming": "yes"}, ACTIVE),
        ({"sort": "+Id"}, ACTIVE[::-1]),
        ({"sort": "-Id"}, ACTIVE),
        ({"sort": "+ModifiedOn"}, ACTIVE[::-1]),
        ({"sort": "-CreatedOn"}, ACTIVE),
        ({"ids": "3,1,4"}, [3, 1]),
        ({"ids": "3,1,4,99", "active": "Any"}, [4, 3, 1]),
        ({"modifiedOnOrAfter": "2026-09-04T11:00:00.1234562Z", "active": "Any"}, [12]),
        ({"modifiedOnOrAfter": "2026-09-04T11:00:00.1234563Z", "active": "Any"}, []),
        (
            {"modifiedOnOrAfter": "2026-09-04T09:00:00Z", "modifiedBefore": "2026-09-04T11:00:00Z"},
            [11, 10],
        ),
        ({"modifiedOnOrAfter": "2026-09-04T10:00:00Z", "modifiedBefore": "2026-09-04T10:00:00.1234562Z"}, []),
        ({"createdOnOrAfter": "2026-09-04T10:30:00Z", "active": "Any"}, [12]),
        ({"createdBefore": "2026-09-04T00:30:00Z"}, [1]),
    ],
    ids=str,
)
async def test_filters_and_orders(api: Api, params: dict[str, str], ids: list[int]) -> None:
    assert await api.ids(CUSTOMERS, **params) == ids


async def test_total_is_counted_when_asked_and_pages_tell_whether_there_is_more(api: Api) -> None:
    body = await api.get(CUSTOMERS, pageSize="4", page="2", includeTotal="true")
    assert (body["page"], body["pageSize"], body["hasMore"], body["totalCount"]) == (2, 4, True, 9)
    body = await api.get(CUSTOMERS, pageSize="4", page="3")
    assert (body["hasMore"], len(body["data"])) == (False, 1)


async def test_pages_shift_when_a_record_leaves_between_them(api: Api) -> None:
    first = await api.ids(CUSTOMERS, pageSize="4")
    api.simulator.store["customers"].deactivate(10)
    second = await api.ids(CUSTOMERS, pageSize="4", page="2")
    assert 6 not in first + second, "the record that moved up is on neither page"


@pytest.mark.parametrize(
    "params",
    [
        {"ids": ",".join(map(str, range(51)))},
        {"ids": "one"},
        {"page": "0"},
        {"pageSize": "0"},
        {"pageSize": "many"},
        {"active": "Some"},
        {"sort": "+Colour"},
        {"modifiedBefore": "yesterday"},
    ],
    ids=str,
)
async def test_unusable_values_are_a_400_that_names_the_parameter(api: Api, params: dict[str, str]) -> None:
    status, body = await api.send(CUSTOMERS, **params)
    assert status == 400
    assert set(orjson.loads(body)["errors"]) == set(params)


async def test_page_size_above_the_maximum_is_cut_or_refused(simulated: MakeApi) -> None:
    async with simulated() as api:
        assert (await api.get(CUSTOMERS, pageSize="5001"))["pageSize"] == 5000
    async with simulated(settings=SimSettings(overflow=Overflow.REJECT)) as api:
        assert (await api.send(CUSTOMERS, pageSize="5001"))[0] == 400


async def test_contacts_are_listed_only_with_a_modification_filter_and_without_active(api: Api) -> None:
    api.simulator.store["customer_contacts"].put({"id": 50, "value": "a@example.com", "active": True})
    assert (await api.send(CONTACTS))[0] == 400
    body = await api.get(CONTACTS, modifiedOnOrAfter="2020-01-01T00:00:00Z")
    assert [record.keys() for record in body["data"]] == [{"id", "value", "modifiedOn", "createdOn"}]


async def test_list_without_an_inactive_switch_never_shows_deleted_records(api: Api) -> None:
    shelf = api.simulator.store["jobs"]
    shelf.put({"id": 60, "jobStatus": "Scheduled", "active": True})
    shelf.put({"id": 61, "jobStatus": "Scheduled", "active": False})
    body = await api.get("/jpm/v2/tenant/1000/jobs", active="Any")
    assert [(record["id"], "active" in record) for record in body["data"]] == [(60, False)]


async def test_invoices_spell_inactive_their_own_way(api: Api) -> None:
    shelf = api.simulator.store["invoices"]
    shelf.put({"id": 70, "active": True})
    shelf.put({"id": 71, "active": False})
    path = "/accounting/v2/tenant/1000/invoices"
    assert await api.ids(path, active="Any") == [70]
    assert await api.ids(path, activeState="All") == [71, 70]
    assert await api.ids(path, activeState="InactiveOnly") == [71]


async def test_deleted_record_is_in_no_list(api: Api) -> None:
    api.simulator.store["customers"].delete(11)
    assert 11 not in await api.ids(CUSTOMERS, active="Any")
    assert await api.ids(CUSTOMERS, ids="11", active="Any") == []
