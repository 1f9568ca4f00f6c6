"""Who may call, in which order that is checked, and how often."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from integration.sim_ghl.conftest import Api, OpenApi

pytestmark = pytest.mark.asyncio
PIPELINES = "/opportunities/pipelines"
BEARER = "Bearer pit-00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({}, 401, "Invalid token: access token is invalid"),
        (
            {"Authorization": "Bearer pit-other", "Version": "2021-07-28"},
            401,
            "Invalid Private Integration token",
        ),
        ({"Authorization": "Bearer other", "Version": "2021-07-28"}, 401, "Invalid JWT"),
        ({"Authorization": BEARER}, 401, "version header was not found."),
        ({"Authorization": BEARER, "Version": "2020-01-01"}, 401, "version header is invalid"),
    ],
    ids=["nothing", "bad token", "bad jwt", "no version", "bad version"],
)
async def test_refusal_tells_by_its_message_alone(
    api: Api, headers: dict[str, str], status: int, message: str
) -> None:
    found, body = await api.send("GET", PIPELINES, headers=headers, params={"locationId": api.location})
    assert (found, body["message"]) == (status, message)


async def test_scope_is_checked_before_the_location(opened: OpenApi) -> None:
    async with opened(scopes=frozenset({"contacts.readonly"})) as api:
        foreign = {"locationId": "OtherLocation"}
        status, body = await api.send("GET", PIPELINES, params=foreign)
        assert (status, body["message"]) == (401, "The token is not authorized for this scope.")
        status, body = await api.send("GET", "/contacts/search/duplicate", params=foreign)
        assert (status, body["message"]) == (403, "The token does not have access to this location.")


async def test_route_that_is_not_wired_says_so(opened: OpenApi) -> None:
    async with opened(unsupported_routes=frozenset({"/contacts/{contactId}"})) as api:
        contact_id = await api.contact()
        status, body = await api.send("GET", f"/contacts/{contact_id}")
        assert status == 401
        assert body["message"].startswith("This route is not yet supported by the IAM Service.")


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/locations/OtherLocation", {}),
        ("POST", "/contacts/", {"json": {"locationId": "OtherLocation"}}),
        ("GET", "/opportunities/search", {"params": {"location_id": "OtherLocation"}}),
    ],
    ids=["path", "body", "snake case"],
)
async def test_foreign_location_is_refused_wherever_it_is_named(
    api: Api, method: str, path: str, options: dict[str, Any]
) -> None:
    assert (await api.send(method, path, **options))[0] == 403


async def test_revoked_scope_and_exchanged_token_are_switched_over_http(api: Api) -> None:
    url = f"{api.url}/_sim"
    await api.session.put(f"{url}/scopes", json={"revoked": ["contacts.write"]})
    assert (await api.send("POST", "/contacts/", json={"locationId": api.location}))[0] == 401
    await api.session.put(f"{url}/scopes", json={"revoked": []})
    fresh = api.headers | {"Authorization": "Bearer pit-new"}
    await api.session.put(f"{url}/token", json={"token": "pit-new", "keep_old": True})
    where = {"locationId": api.location}
    assert (await api.send("GET", PIPELINES, params=where))[0] == 200
    assert (await api.send("GET", PIPELINES, params=where, headers=fresh))[0] == 200
    await api.session.put(f"{url}/token", json={"token": "pit-new"})
    assert (await api.send("GET", PIPELINES, params=where))[0] == 401


async def test_unknown_route_and_missing_slash_are_404(api: Api, opened: OpenApi) -> None:
    assert await api.send("GET", "/nowhere") == (
        404,
        {"message": "Cannot GET /nowhere", "error": "Not Found", "statusCode": 404},
    )
    assert (await api.send("POST", "/contacts", json={"locationId": api.location}))[0] == 404
    async with opened(needs_slash=False) as tolerant:
        body = {"locationId": tolerant.location}
        assert (await tolerant.send("POST", "/contacts", json=body))[0] == 201


async def test_window_lets_so_many_calls_through_and_the_headers_count_them(opened: OpenApi) -> None:
    async with opened(window_calls=3, window=timedelta(seconds=10)) as api:
        url, where = api.url + PIPELINES, {"locationId": api.location}
        left = []
        for _ in range(4):
            async with api.session.get(url, params=where, headers=api.headers) as answer:
                left.append((answer.status, answer.headers["X-RateLimit-Remaining"]))
        assert left == [(200, "2"), (200, "1"), (200, "0"), (429, "0")]
        async with api.session.get(url, params=where, headers=api.headers) as answer:
            assert answer.headers["Retry-After"] == "10"
            assert answer.headers["X-RateLimit-Max"] == "3"
            assert answer.headers["X-RateLimit-Interval-Milliseconds"] == "10000"
            assert answer.headers["X-RateLimit-Daily-Remaining"] == "199997"
        api.clock.seconds += 10
        assert (await api.send("GET", PIPELINES, params=where))[0] == 200
        assert api.simulator.gate.throttled == 2


async def test_day_ends_at_its_limit_and_begins_anew_at_midnight(opened: OpenApi) -> None:
    async with opened(retry_after=False) as api:
        where = {"locationId": api.location}
        await api.session.put(f"{api.url}/_sim/limits", json={"daily_calls": 5, "used_today": 4})
        assert (await api.send("GET", PIPELINES, params=where))[0] == 200
        async with api.session.get(api.url + PIPELINES, params=where, headers=api.headers) as answer:
            assert (answer.status, answer.headers.get("Retry-After")) == (429, None)
        api.clock.advance(timedelta(days=1))
        assert (await api.send("GET", PIPELINES, params=where))[0] == 200


async def refreshed(api: Api, token: str, **changes: str) -> tuple[int, Any]:
    form = {
        "client_id": "sim-app-client",
        "client_secret": "sim-app-secret",
        "grant_type": "refresh_token",
        "refresh_token": token,
    } | changes
    return await api.send("POST", "/oauth/token", headers={}, data=form)


async def test_refresh_token_serves_once_and_for_half_a_minute_its_pair_again(api: Api) -> None:
    _, first = await refreshed(api, "sim-refresh-1")
    assert await refreshed(api, "sim-refresh-1") == (200, first)
    api.clock.seconds += 31
    assert (await refreshed(api, "sim-refresh-1"))[0] == 400
    _, second = await refreshed(api, first["refresh_token"])
    headers = api.headers | {"Authorization": f"Bearer {second['access_token']}"}
    where = {"locationId": api.location}
    assert (await api.send("GET", PIPELINES, headers=headers, params=where))[0] == 200
    api.clock.seconds += 86_400
    status, body = await api.send("GET", PIPELINES, headers=headers, params=where)
    assert (status, body) == (401, {"message": "Invalid JWT"})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"client_secret": "x"}, 400),
        ({"client_id": "x"}, 400),
        ({"refresh_token": "x"}, 400),
        ({"grant_type": "client_credentials"}, 400),
        ({"grant_type": "password"}, 422),
        ({"client_id": ""}, 422),
    ],
)
async def test_token_endpoint_refuses(api: Api, changes: dict[str, str], status: int) -> None:
    assert (await refreshed(api, "sim-refresh-1", **changes))[0] == status


async def test_token_endpoint_reads_forms_only(api: Api) -> None:
    assert (await api.send("POST", "/oauth/token", headers={}, json={"grant_type": "refresh_token"}))[
        0
    ] == 422


async def test_switches_refuse_what_they_do_not_know(api: Api) -> None:
    cases: list[tuple[str, str, Any]] = [
        ("PUT", "faults", {"wind": 1}),
        ("PUT", "faults", {"preset": "drizzle"}),
        ("POST", "plan", {"trouble": "earthquake"}),
        ("POST", "plan", {"trouble": "reset", "when": "now"}),
        ("PUT", "lag", {}),
        ("PUT", "limits", {"window_calls": "many"}),
        ("PUT", "token", {}),
        ("POST", "inbound", {"contact": "nobody", "text": "STOP"}),
        ("POST", "person", {"do": "sing"}),
        ("POST", "person", {"do": "move_card", "opportunity": "none", "stage": "x"}),
    ]
    for method, path, body in cases:
        assert (await api.send(method, f"/_sim/{path}", json=body, headers={}))[0] == 400, path
    assert (await api.send("GET", "/_sim/pets", headers={}))[0] == 404
    async with aiohttp.request("PUT", f"{api.url}/_sim/lag", data=b"{") as answer:
        assert answer.status == 400
