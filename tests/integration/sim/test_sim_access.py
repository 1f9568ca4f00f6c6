"""Checklist points 1, 2 and 5: tokens, headers, scopes and limits."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import pytest

from pcd.sim.settings import SimSettings, Throttle

if TYPE_CHECKING:
    from integration.sim.conftest import Api, MakeApi

pytestmark = pytest.mark.asyncio
CUSTOMERS = "/crm/v2/tenant/1000/customers"
PROBLEM = {"type", "title", "status", "traceId", "errors", "data"}


async def test_token_is_a_jwt_that_names_tenant_scopes_and_lifetime(api: Api) -> None:
    status, body = await api.post_token()
    claims = body["access_token"].split(".")[1]
    claims = orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (status, body["expires_in"], body["token_type"]) == (200, 900, "Bearer")
    assert claims["tenant"] == "1000"
    assert claims["exp"] - claims["nbf"] == 900
    assert "tn.crm.customers:r" in claims["scope"]
    assert body["scope"].split() == claims["scope"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "wrong"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_wrong_token_request_gets_an_oauth_error(api: Api, change: dict[str, str], error: str) -> None:
    assert await api.post_token(**change) == (400, {"error": error})


async def test_token_request_as_json_is_refused(api: Api) -> None:
    body = {"grant_type": "client_credentials", "client_id": "sim-client", "client_secret": "sim-secret"}
    async with api.session.post(f"{api.url}/connect/token", json=body) as answer:
        assert (answer.status, await answer.json()) == (400, {"error": "invalid_request"})


async def test_token_requests_are_throttled(simulated: MakeApi) -> None:
    async with simulated(settings=SimSettings(tokens_per_minute=2)) as api:
        assert [(await api.post_token())[0] for _ in range(3)] == [200, 200, 429]
        api.clock.seconds += 61
        assert (await api.post_token())[0] == 200


async def test_token_works_bare_too_and_ends_after_its_lifetime(simulated: MakeApi) -> None:
    async with simulated(settings=SimSettings(token_lifetime=timedelta(seconds=900))) as api:
        token = (await api.post_token())[1]["access_token"]
        headers = {"Authorization": token, "ST-App-Key": "sim-app-key"}
        assert (await api.send_as(headers, CUSTOMERS))[0] == 200
        api.clock.seconds += 901
        assert (await api.send_as(headers, CUSTOMERS))[0] == 401


async def test_both_headers_are_required(api: Api) -> None:
    token = (await api.post_token())[1]["access_token"]
    for headers in (
        {},
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"Bearer {token}", "ST-App-Key": "other"},
        {"Authorization": "Bearer other", "ST-App-Key": "sim-app-key"},
    ):
        assert (await api.send_as(headers, CUSTOMERS))[0] == 401


@pytest.mark.parametrize("status", [401, 403])
async def test_another_tenant_is_out_of_reach(simulated: MakeApi, status: int) -> None:
    async with simulated(settings=SimSettings(foreign_tenant_status=status)) as api:
        assert (await api.send("/crm/v2/tenant/2000/customers"))[0] == status


async def test_scope_that_was_not_granted_is_a_403_in_the_documented_form(simulated: MakeApi) -> None:
    async with simulated(settings=SimSettings(scopes=frozenset({"tn.jpm.jobs:r"}))) as api:
        status, body = await api.send(CUSTOMERS)
        assert status == 403
        assert set(orjson.loads(body)) == PROBLEM
        assert (await api.send("/jpm/v2/tenant/1000/jobs"))[0] == 200


async def test_revoked_scope_is_refused_at_once_and_to_new_tokens(api: Api) -> None:
    assert (await api.send(CUSTOMERS))[0] == 200
    async with api.session.put(f"{api.url}/_sim/scopes", json={"revoked": ["tn.crm.customers:r"]}) as answer:
        assert answer.status == 200
    assert (await api.send(CUSTOMERS))[0] == 403
    api.token = ""
    assert (await api.send(CUSTOMERS))[0] == 403


async def test_unknown_path_is_a_404_in_the_documented_form(api: Api) -> None:
    status, body = await api.send("/crm/v2/tenant/1000/swimmers")
    assert status == 404
    assert set(orjson.loads(body)) == PROBLEM


async def test_the_61st_request_of_a_second_is_throttled(api: Api) -> None:
    statuses = [(await api.send(CUSTOMERS, pageSize="1"))[0] for _ in range(61)]
    assert statuses == [200] * 60 + [429]
    api.clock.seconds += 1.01
    assert (await api.send(CUSTOMERS))[0] == 200


@pytest.mark.parametrize(
    ("form", "has_header", "title"),
    [
        (Throttle.HEADER, True, b"Rate limit is exceeded."),
        (Throttle.TITLE, False, b"Rate limit is exceeded. Try again in 1 seconds."),
        (Throttle.NONE, False, b"Too many requests."),
        (Throttle.GATEWAY, False, b'"statusCode":429'),
    ],
)
async def test_429_is_written_in_each_form(
    simulated: MakeApi, form: Throttle, has_header: bool, title: bytes
) -> None:
    async with simulated(settings=SimSettings(requests_per_second=0, throttle=form)) as api:
        api.token = (await api.post_token())[1]["access_token"]
        headers = {"Authorization": api.token, "ST-App-Key": "sim-app-key"}
        async with api.session.get(api.url + CUSTOMERS, headers=headers) as answer:
            body = await answer.read()
        assert answer.status == 429
        assert ("Retry-After" in answer.headers) is has_header
        assert title in body
