"""Contacts as the reference says, checklist 4.6."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pcd.sim.ghl.settings import InvalidPhone

if TYPE_CHECKING:
    from integration.sim_ghl.conftest import Api, OpenApi

pytestmark = pytest.mark.asyncio
ST_FIELD = "ctStCustomerId000001"


async def test_contact_is_stored_as_gohighlevel_keeps_it(api: Api) -> None:
    contact_id = await api.contact(
        firstName="Maple",
        lastName="Finch",
        email="Maple.Finch@example.com",
        phone="(202) 555-0101",
        tags=["VIP", "vip", "Pool"],
        customFields=[{"id": ST_FIELD, "field_value": "1001"}, {"id": "unknown", "field_value": "x"}],
    )
    _, body = await api.send("GET", f"/contacts/{contact_id}")
    contact = body["contact"]
    assert contact["phone"] == "+12025550101"
    assert contact["tags"] == ["vip", "pool"]
    assert contact["emailLowerCase"] == "maple.finch@example.com"
    assert contact["customFields"] == [{"id": ST_FIELD, "value": "1001"}]
    assert contact["dateAdded"] == "2026-09-04T12:00:00.123Z"
    assert "city" not in contact
    assert api.simulator.store.contacts[contact_id].name == "Maple Finch"


@pytest.mark.parametrize(
    ("sent", "field"), [({"email": "A@EXAMPLE.com"}, "email"), ({"phone": "202-555-0101"}, "phone")]
)
async def test_second_contact_with_a_key_is_refused_and_names_the_first(
    api: Api, sent: dict[str, str], field: str
) -> None:
    first = await api.contact(firstName="Maple", email="a@example.com", phone="+12025550101")
    status, body = await api.send("POST", "/contacts/", json={"locationId": api.location, **sent})
    assert (status, body["message"]) == (400, "This location does not allow duplicated contacts.")
    assert body["meta"] == {"contactId": first, "contactName": "Maple", "matchingField": field}


async def test_location_may_allow_duplicates(opened: OpenApi) -> None:
    async with opened(allow_duplicate_contact=True) as api:
        assert await api.contact(email="a@example.com") != await api.contact(email="a@example.com")


async def test_update_to_the_key_of_another_contact_is_refused(api: Api) -> None:
    await api.contact(email="a@example.com")
    other = await api.contact(email="b@example.com")
    status, body = await api.send("PUT", f"/contacts/{other}", json={"email": "a@example.com"})
    assert (status, body["meta"]["matchingField"]) == (400, "email")
    assert (await api.send("PUT", f"/contacts/{other}", json={"email": "b@example.com"}))[0] == 200


async def test_update_replaces_tags_merges_fields_and_clears_with_null(api: Api) -> None:
    contact_id = await api.contact(
        tags=["a", "b"], city="Naples", customFields=[{"id": ST_FIELD, "field_value": "1"}]
    )
    change = {
        "tags": ["C"],
        "city": None,
        "customFields": [{"id": "ctPhoneExtension0001", "field_value": "12"}],
    }
    status, body = await api.send("PUT", f"/contacts/{contact_id}", json=change)
    assert (status, body["succeded"]) == (200, True)
    assert body["contact"]["tags"] == ["c"]
    assert "city" not in body["contact"]
    assert len(body["contact"]["customFields"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"locationId": "SimLocation000000001"},
        {"gender": "x"},
        {"companyName": "x"},
        {"additionalEmails": []},
        {"customFields": {}},
        {"dndSettings": {"SMS": {"status": "off"}}},
    ],
    ids=lambda body: next(iter(body)),
)
async def test_update_with_a_property_that_is_not_its_is_422(api: Api, body: dict[str, Any]) -> None:
    contact_id = await api.contact()
    status, answer = await api.send("PUT", f"/contacts/{contact_id}", json=body)
    assert (status, answer["error"]) == (422, "Unprocessable Entity")
    assert isinstance(answer["message"], list)


async def test_upsert_follows_the_first_key_and_ignores_the_second(api: Api) -> None:
    by_email = await api.contact(email="a@example.com", tags=["old"])
    by_phone = await api.contact(phone="+12025550101")
    body = {
        "locationId": api.location,
        "email": "a@example.com",
        "phone": "+12025550101",
        "tags": ["New"],
        "city": "Naples",
    }
    status, answer = await api.send("POST", "/contacts/upsert", json=body)
    assert (status, answer["new"], answer["contact"]["id"]) == (200, False, by_email)
    store = api.simulator.store
    assert (store.contacts[by_email].phone, store.contacts[by_email].tags) == ("", ("new",))
    assert (store.contacts[by_phone].phone, store.contacts[by_phone].city) == ("+12025550101", "")
    fresh = {"locationId": api.location, "email": "new@example.com"}
    assert (await api.send("POST", "/contacts/upsert", json=fresh))[1]["new"] is True
    assert len(store.contacts) == 3


async def test_order_of_matching_is_the_locations(opened: OpenApi) -> None:
    async with opened(match_order=("phone", "email")) as api:
        await api.contact(email="a@example.com")
        by_phone = await api.contact(phone="+12025550101")
        body = {"locationId": api.location, "email": "a@example.com", "phone": "+12025550101"}
        assert (await api.send("POST", "/contacts/upsert", json=body))[1]["contact"]["id"] == by_phone


async def test_duplicate_search_wants_e164_and_says_null(api: Api) -> None:
    contact_id = await api.contact(phone="2025550101")
    find = {"locationId": api.location}
    path = "/contacts/search/duplicate"
    _, body = await api.send("GET", path, params=find | {"number": "+12025550101"})
    assert body["contact"]["id"] == contact_id
    assert await api.send("GET", path, params=find | {"number": "2025550101"}) == (200, {"contact": None})
    assert await api.send("GET", path, params=find | {"email": "a@example.com"}) == (200, {"contact": None})


@pytest.mark.parametrize(
    ("choice", "status", "kept"),
    [(InvalidPhone.REJECT, 422, None), (InvalidPhone.DROP, 201, ""), (InvalidPhone.KEEP, 201, "none")],
)
async def test_impossible_phone_meets_the_chosen_fate(
    opened: OpenApi, choice: InvalidPhone, status: int, kept: str | None
) -> None:
    async with opened(invalid_phone=choice) as api:
        found, _ = await api.send("POST", "/contacts/", json={"locationId": api.location, "phone": "none"})
        assert found == status
        assert [one.phone for one in api.simulator.store.contacts.values()] == (
            [] if kept is None else [kept]
        )


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/notes"), ("POST", "/workflow/wf-published-000001")],
)
async def test_missing_contact_is_a_400(api: Api, method: str, path: str) -> None:
    body: Any = {} if method in ("PUT", "POST") else None
    status, answer = await api.send(method, f"/contacts/nobody{path}", json=body)
    assert (status, answer["message"]) == (400, "Contact with id nobody not found")


async def test_search_is_behind_and_a_look_at_the_contact_is_not(api: Api) -> None:
    contact_id = await api.contact(email="a@example.com")
    assert (await api.search())[1]["contacts"] == []
    assert (await api.send("GET", f"/contacts/{contact_id}"))[0] == 200
    api.clock.seconds += 5
    assert [one["id"] for one in (await api.search())[1]["contacts"]] == [contact_id]
    await api.session.put(f"{api.url}/_sim/lag", json={"frozen": True})
    await api.contact(email="b@example.com")
    api.clock.seconds += 60
    assert (await api.search())[1]["total"] == 1
    await api.session.put(f"{api.url}/_sim/lag", json={"frozen": False})
    assert (await api.search())[1]["total"] == 2


async def fill(api: Api, count: int) -> list[str]:
    """Create contacts, each a second after the other, and wait until searches see them."""
    ids = []
    for number in range(count):
        ids.append(
            await api.contact(firstName=f"Heron {number}", email=f"h{number}@example.com", tags=["bird"])
        )
        api.clock.seconds += 1
    api.clock.seconds += 5
    return ids


@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_cursor_walks_every_contact_once(opened: OpenApi, direction: str) -> None:
    async with opened(window_calls=1000) as api:
        ids = await fill(api, 7)
        sort = [{"field": "dateUpdated", "direction": direction}]
        found: list[str] = []
        after: dict[str, Any] = {}
        while True:
            _, body = await api.search(pageLimit=3, sort=sort, **after)
            if not body["contacts"]:
                break
            found += [one["id"] for one in body["contacts"]]
            after = {"searchAfter": body["contacts"][-1]["searchAfter"]}
        assert found == (ids if direction == "asc" else ids[::-1])


async def test_pages_count_from_one(opened: OpenApi) -> None:
    async with opened(window_calls=1000) as api:
        ids = await fill(api, 5)
        pages = [(await api.search(pageLimit=2, page=page))[1]["contacts"] for page in (1, 2, 3, 4)]
        assert [[one["id"] for one in page] for page in pages] == [ids[:2:-1], ids[2:0:-1], ids[:1], []]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ([{"field": "email", "operator": "eq", "value": "H1@example.com"}], 1),
        ([{"field": "tags", "operator": "contains", "value": "bir"}], 3),
        ([{"field": "phone", "operator": "exists"}], 0),
        ([{"field": "phone", "operator": "not_exists"}], 3),
        ([{"field": "firstNameLowerCase", "operator": "not_contains", "value": "heron 1"}], 2),
        ([{"field": "dateAdded", "operator": "range", "value": {"gt": "2026-09-04T12:00:00.123Z"}}], 2),
        (
            [
                {
                    "group": "OR",
                    "filters": [
                        {"field": "email", "operator": "eq", "value": "h0@example.com"},
                        {"field": "email", "operator": "eq", "value": "h2@example.com"},
                    ],
                }
            ],
            2,
        ),
    ],
)
async def test_filters_select(api: Api, filters: list[dict[str, Any]], count: int) -> None:
    await fill(api, 3)
    status, body = await api.search(filters=filters)
    assert (status, body.get("total")) == (200, count)


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        ({"pageLimit": None}, 422, "pageLimit should not be empty"),
        ({"pageLimit": 501}, 422, "pageLimit must not be greater than 500"),
        ({"query": "x" * 76}, 422, "75"),
        ({"page": 1, "searchAfter": [1, "a"]}, 400, "cannot be combined"),
        ({"page": 501}, 400, "searchAfter"),
        ({"sort": [{"field": "phone", "direction": "asc"}]}, 400, "Invalid sort field phone"),
        (
            {"filters": [{"field": "additional_phones", "operator": "eq", "value": "1"}]},
            400,
            "additional_phones",
        ),
        ({"filters": [{"field": "email", "operator": "contains", "value": "a"}]}, 400, "Invalid operator"),
        ({"filters": [{"field": "dateAdded", "operator": "range", "value": {"from": 1}}]}, 400, "range"),
        ({"filters": [1]}, 422, "filter"),
        ({"limit": 1}, 422, "property limit should not exist"),
    ],
)
async def test_search_refuses(api: Api, body: dict[str, Any], status: int, part: str) -> None:
    found, answer = await api.search(**body)
    assert found == status
    assert part in str(answer["message"])


async def test_deprecated_list_still_answers(opened: OpenApi) -> None:
    async with opened(window_calls=1000) as api:
        ids = await fill(api, 3)
        where = {"locationId": api.location, "limit": "2"}
        _, body = await api.send("GET", "/contacts/", params=where)
        assert ([one["id"] for one in body["contacts"]], body["count"]) == (ids[:0:-1], 3)


async def test_deleted_contact_takes_its_cards_along(api: Api) -> None:
    contact_id = await api.contact()
    await api.opportunity(contact_id)
    await api.send("POST", f"/contacts/{contact_id}/notes", json={"body": "x"})
    assert (await api.send("DELETE", f"/contacts/{contact_id}"))[1] == {"succeded": True}
    store = api.simulator.store
    assert (len(store.contacts), len(store.opportunities), len(store.notes)) == (0, 0, 0)


async def test_tags_are_added_and_removed_one_by_one(api: Api) -> None:
    contact_id = await api.contact(tags=["a"])
    path = f"/contacts/{contact_id}/tags"
    assert await api.send("POST", path, json={"tags": ["B", "a"]}) == (201, {"tags": ["a", "b"]})
    assert await api.send("DELETE", path, json={"tags": ["A"]}) == (200, {"tags": ["b"]})
    status, _ = await api.send("POST", path, json={"tags": ["c"], "locationId": api.location})
    assert status == 422
    bulk = {"contacts": [contact_id, "nobody"], "tags": ["x"], "locationId": api.location}
    _, body = await api.send("POST", "/contacts/bulk/tags/update/add", json=bulk)
    assert body == {"succeded": True, "errorCount": 1, "responses": [contact_id]}
    assert api.simulator.store.contacts[contact_id].tags == ("b", "x")


async def test_notes_and_tasks_live_and_die(api: Api) -> None:
    contact_id = await api.contact()
    notes, tasks = f"/contacts/{contact_id}/notes", f"/contacts/{contact_id}/tasks"
    _, made = await api.send("POST", notes, json={"body": "called"})
    note_id = made["note"]["id"]
    _, changed = await api.send("PUT", f"{notes}/{note_id}", json={"body": "called twice"})
    assert changed["note"]["body"] == "called twice"
    assert (await api.send("GET", notes))[1]["notes"] == [changed["note"]]
    assert (await api.send("DELETE", f"{notes}/{note_id}"))[0] == 200
    assert (await api.send("GET", f"{notes}/{note_id}"))[0] == 400
    due = {"title": "call", "dueDate": "2026-09-05T12:00:00Z", "completed": False}
    status, made = await api.send("POST", tasks, json=due)
    assert status == 201
    path = f"{tasks}/{made['task']['id']}"
    assert (await api.send("PUT", f"{path}/completed", json={"completed": True}))[1]["task"]["completed"]
    assert (await api.send("POST", tasks, json={"title": "call"}))[0] == 422
    assert (await api.send("DELETE", path))[0] == 200
    assert (await api.send("GET", tasks))[1] == {"tasks": []}


async def test_draft_workflow_and_second_enrolment_do_nothing_and_say_200(api: Api) -> None:
    contact_id = await api.contact()
    for workflow in ("wf-draft-0000000001", "wf-published-000001", "wf-published-000001"):
        assert (await api.send("POST", f"/contacts/{contact_id}/workflow/{workflow}", json={}))[0] == 200
    assert [one.ran for one in api.simulator.store.enrolments] == [False, True, False]
    path = f"/contacts/{contact_id}/workflow/wf-published-000001"
    assert (await api.send("DELETE", path, json={}))[0] == 200
    assert (await api.send("POST", f"/contacts/{contact_id}/workflow/none", json={}))[0] == 400
    assert len(api.simulator.store.enrolments) == 1
