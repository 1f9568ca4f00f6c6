"""Opportunities, pipelines and searches as the reference says, checklist 4.6."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pcd.sim.ghl.defaults import PIPELINES
from pcd.sim.ghl.settings import FieldForm

if TYPE_CHECKING:
    from integration.sim_ghl.conftest import Api, OpenApi

pytestmark = pytest.mark.asyncio
SALES, INSTALL = PIPELINES[0], PIPELINES[1]
TECHS, PRIORITY, DEPOSIT = "sJ3jmGpHGFUssEVZ9Npi", "opPriority0000000001", "opDeposit00000000001"
SEARCH = "/opportunities/search"


async def test_card_without_a_stage_goes_into_the_first(api: Api) -> None:
    contact_id = await api.contact(firstName="Maple", email="a@example.com")
    status, body = await api.opportunity(contact_id, monetaryValue=1500)
    card = body["opportunity"]
    assert (status, card["pipelineStageId"], card["monetaryValue"]) == (201, SALES.stages[0].id, 1500)
    assert card["contact"] == {"id": contact_id, "name": "Maple", "email": "a@example.com", "tags": []}


@pytest.mark.parametrize(
    ("changes", "status", "part"),
    [
        ({"pipelineId": "none"}, 400, "The pipeline id is invalid."),
        ({"pipelineStageId": "none"}, 400, "The pipeline stage id is invalid."),
        ({"pipelineStageId": INSTALL.stages[0].id}, 400, "The pipeline stage id is invalid."),
        ({"contactId": "nobody"}, 400, "Contact with id nobody not found"),
        ({"contactId": ""}, 422, "contactId should not be empty"),
        ({"status": "OPEN"}, 422, "status must be one of"),
        ({"status": "all"}, 422, "status must be one of"),
        ({"monetaryValue": "100"}, 422, "monetaryValue must be a number"),
        ({"source": "ServiceTitan"}, 422, "property source should not exist"),
    ],
)
async def test_card_is_refused(api: Api, changes: dict[str, Any], status: int, part: str) -> None:
    found, body = await api.opportunity(await api.contact(), **changes)
    assert found == status
    assert part in str(body["message"])
    assert len(api.simulator.store.opportunities) == 0


async def test_second_card_on_a_pipeline_is_refused_and_names_the_first(api: Api) -> None:
    contact_id = await api.contact()
    _, first = await api.opportunity(contact_id, status="lost")
    status, body = await api.opportunity(contact_id)
    assert (status, body["code"]) == (400, "OPPORTUNITY_NO_DUPLICATE")
    assert body["meta"] == {"existingId": first["opportunity"]["id"]}
    assert (await api.opportunity(contact_id, pipelineId=INSTALL.id))[0] == 201


@pytest.mark.parametrize(
    "settings",
    [{"allow_duplicate_opportunity": True}, {"closed_opportunity_blocks": False}],
    ids=["allowed", "closed do not block"],
)
async def test_second_card_where_the_location_has_it(opened: OpenApi, settings: dict[str, bool]) -> None:
    async with opened(**settings) as api:
        contact_id = await api.contact()
        await api.opportunity(contact_id, status="lost")
        assert (await api.opportunity(contact_id))[0] == 201


async def test_move_to_another_pipeline_meets_the_rule_too(api: Api) -> None:
    contact_id = await api.contact()
    _, sales = await api.opportunity(contact_id)
    path = f"/opportunities/{sales['opportunity']['id']}"
    _, moved = await api.send("PUT", path, json={"pipelineId": INSTALL.id})
    assert moved["opportunity"]["pipelineStageId"] == INSTALL.stages[0].id
    await api.opportunity(contact_id)
    status, body = await api.send("PUT", path, json={"pipelineId": SALES.id})
    assert (status, body["code"]) == (400, "OPPORTUNITY_NO_DUPLICATE")


async def test_only_what_changed_is_stamped(api: Api) -> None:
    _, made = await api.opportunity(await api.contact())
    card = made["opportunity"]
    path = f"/opportunities/{card['id']}"
    api.clock.seconds += 60
    _, moved = await api.send("PUT", path, json={"pipelineStageId": SALES.stages[2].id})
    assert moved["opportunity"]["lastStageChangeAt"] > card["lastStageChangeAt"]
    assert moved["opportunity"]["lastStatusChangeAt"] == card["lastStatusChangeAt"]
    assert (await api.send("PUT", f"{path}/status", json={"status": "won"}))[1] == {"succeded": True}
    _, won = await api.send("GET", path)
    assert won["opportunity"]["status"] == "won"
    assert won["opportunity"]["lastStatusChangeAt"] > card["lastStatusChangeAt"]
    assert (await api.send("DELETE", path))[0] == 200
    assert (await api.send("GET", path))[0] == 400


@pytest.mark.parametrize(
    ("form", "answered"),
    [
        (
            FieldForm.OBSERVED,
            [
                {"id": TECHS, "type": "array", "fieldValueArray": ["Alder"]},
                {"id": DEPOSIT, "type": "number", "fieldValueNumber": 250},
            ],
        ),
        (FieldForm.DOCUMENTED, [{"id": TECHS, "fieldValue": ["Alder"]}, {"id": DEPOSIT, "fieldValue": 250}]),
    ],
)
async def test_option_that_there_is_not_is_dropped_in_silence(
    opened: OpenApi, form: FieldForm, answered: list[dict[str, Any]]
) -> None:
    async with opened(field_form=form) as api:
        sent = [
            {"id": TECHS, "field_value": ["Alder", "Nobody"]},
            {"id": PRIORITY, "field_value": "high"},
            {"id": DEPOSIT, "field_value": "250"},
        ]
        status, body = await api.opportunity(await api.contact(), customFields=sent)
        assert (status, body["opportunity"]["customFields"]) == (201, answered)


async def test_get_search_speaks_snake_case(api: Api) -> None:
    status, body = await api.send("GET", SEARCH, params={"locationId": api.location})
    assert status == 422
    assert body["message"] == ["property locationId should not exist", "location_id should not be empty"]


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "101"},
        {"limit": "0"},
        {"limit": "x"},
        {"status": "OPEN"},
        {"order": "newest"},
        {"date": "2026-09-04"},
    ],
    ids=lambda params: next(iter(params.items())),
)
async def test_get_search_refuses(api: Api, params: dict[str, str]) -> None:
    assert (await api.send("GET", SEARCH, params={"location_id": api.location, **params}))[0] == 422


async def fill(api: Api, count: int) -> list[str]:
    """Create cards, each a second after the other, and wait until searches see them."""
    ids = []
    for number in range(count):
        _, body = await api.opportunity(await api.contact(), name=f"Pool {number}")
        ids.append(body["opportunity"]["id"])
        api.clock.seconds += 1
    api.clock.seconds += 5
    return ids


@pytest.mark.parametrize("order", ["added_asc", "added_desc"])
async def test_get_search_pages_by_cursor(opened: OpenApi, order: str) -> None:
    async with opened(window_calls=1000) as api:
        ids = await fill(api, 7)
        found: list[str] = []
        params = {"location_id": api.location, "limit": "3", "order": order}
        while True:
            _, body = await api.send("GET", SEARCH, params=params)
            found += [one["id"] for one in body["opportunities"]]
            meta = body["meta"]
            if "startAfterId" not in meta:
                break
            params |= {"startAfter": str(meta["startAfter"]), "startAfterId": meta["startAfterId"]}
        assert found == (ids if order == "added_asc" else ids[::-1])
        assert meta["total"] == 7


async def test_get_search_pages_by_number_and_selects(opened: OpenApi) -> None:
    async with opened(window_calls=1000) as api:
        ids = await fill(api, 3)
        where = {"location_id": api.location}
        _, body = await api.send("GET", SEARCH, params=where | {"limit": "2", "page": "2"})
        assert [one["id"] for one in body["opportunities"]] == ids[:1]
        assert (body["meta"]["prevPage"], "nextPage" in body["meta"]) == (1, False)
        owner = api.simulator.store.opportunities[ids[0]].contact_id
        for selected in (
            {"contact_id": owner},
            {"q": "pool 0"},
            {"id": ids[0]},
            {"contact_id": owner, "date": "09-04-2026", "endDate": "09-04-2026"},
        ):
            _, body = await api.send("GET", SEARCH, params=where | selected)
            assert [one["id"] for one in body["opportunities"]] == ids[:1], selected
        for selected in ({"status": "won"}, {"pipeline_id": INSTALL.id}, {"date": "09-05-2026"}):
            _, body = await api.send("GET", SEARCH, params=where | selected)
            assert body["opportunities"] == [], selected


async def test_post_search_wants_everything_and_sorts_by_itself(opened: OpenApi) -> None:
    async with opened(window_calls=1000) as api:
        ids = await fill(api, 3)
        flags = ("notes", "tasks", "calendarEvents", "unReadConversations")
        wanted: dict[str, Any] = {
            "locationId": api.location,
            "query": "",
            "limit": 2,
            "page": 1,
            "searchAfter": [],
            "additionalDetails": dict.fromkeys(flags, False),
        }
        _, body = await api.send("POST", SEARCH, json=wanted)
        assert ([one["id"] for one in body["opportunities"]], body["total"]) == (ids[:0:-1], 3)
        wanted["searchAfter"] = body["opportunities"][-1]["sort"]
        _, body = await api.send("POST", SEARCH, json=wanted)
        assert [one["id"] for one in body["opportunities"]] == ids[:1]
        del wanted["additionalDetails"]
        assert (await api.send("POST", SEARCH, json=wanted))[0] == 422


@pytest.mark.parametrize(("lags", "seen"), [(True, 0), (False, 1)])
async def test_opportunity_search_lags_or_not_as_the_settings_guess(
    opened: OpenApi, lags: bool, seen: int
) -> None:
    async with opened(opportunity_search_lags=lags) as api:
        contact_id = await api.contact()
        await api.opportunity(contact_id)
        where = {"location_id": api.location, "contact_id": contact_id}
        assert len((await api.send("GET", SEARCH, params=where))[1]["opportunities"]) == seen


async def test_the_account_tells_what_it_has(api: Api) -> None:
    where = {"locationId": api.location}
    _, body = await api.send("GET", "/opportunities/pipelines", params=where)
    assert [one["name"] for one in body["pipelines"]][:2] == ["SALES PIPELINE", "INSTALL PIPELINE"]
    assert body["pipelines"][0]["stages"][1]["name"] == "Contacted"
    _, body = await api.send("GET", f"/locations/{api.location}")
    assert body["location"]["settings"]["allowDuplicateOpportunity"] is False
    fields = f"/locations/{api.location}/customFields"
    for model, count in (({}, 2), ({"model": "opportunity"}, 7), ({"model": "all"}, 9)):
        assert len((await api.send("GET", fields, params=model))[1]["customFields"]) == count
    assert (await api.send("GET", fields, params={"model": "company"}))[0] == 422
    new = {"name": "Pool size", "dataType": "SINGLE_OPTIONS", "options": ["small", "large"]}
    status, body = await api.send("POST", fields, json=new)
    assert (status, body["customField"]["fieldKey"]) == (201, "contact.pool_size")
    assert (await api.send("POST", fields, json=new))[0] == 400
    assert len((await api.send("GET", "/users/", params=where))[1]["users"]) == 2
    assert (await api.send("GET", "/users/search", params={"companyId": "other"}))[1]["users"] == []
    assert (await api.send("GET", "/users/nobody"))[0] == 400
    _, body = await api.send("GET", "/workflows/", params=where)
    assert [one["status"] for one in body["workflows"]] == ["published", "draft"]
    await api.contact(tags=["vip"])
    _, body = await api.send("GET", f"/locations/{api.location}/tags")
    assert [one["name"] for one in body["tags"]] == ["vip"]
