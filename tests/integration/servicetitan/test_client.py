from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pcd.clock import Clock
from pcd.errors import Clamped, Forbidden, Malformed, RateLimited, Rejected, Unavailable
from pcd.fetcher import Call, fetch, open_session
from pcd.retry import Patience
from pcd.servicetitan import client as client_module
from pcd.servicetitan.decode import ExportPage, export_page, list_page
from pcd.servicetitan.paginate import export_params, list_params
from pcd.tables.spec import ExportEndpoint, ListEndpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from integration.servicetitan.conftest import FakeClock, Upstream

    from pcd.config import ServiceTitanConfig
    from pcd.servicetitan.client import Answer, ServiceTitan

pytestmark = pytest.mark.asyncio

PATH = "/crm/v2/tenant/{tenant}/export/customers"
EXPORT = ExportEndpoint(path=PATH)
LIST = ListEndpoint(path="/crm/v2/tenant/{tenant}/customers", sort="+Id")
GOOD = b'{"hasMore":false,"continueFrom":"end","data":[{"id":1}]}'
LIMIT = json.dumps(
    {"title": "Rate limit is exceeded. Try again in 60 seconds.", "status": 429, "traceId": "00-ab"}
).encode()
SUSPENDED = b'{"title":"The service is suspended for maintenance. Please try again later.","status":409}'
HTML = {"Content-Type": "text/html"}
PAGE = b"<html><title>503 Service Unavailable</title></html>"


async def page_of(st: ServiceTitan) -> tuple[ExportPage, Answer]:
    return await st.get_page(PATH, {}, export_page, scope="tn.crm.customers:r")


async def test_call_carries_tenant_token_and_app_key(st: ServiceTitan, upstream: Upstream) -> None:
    answer = await st.get(PATH, {})
    call = upstream.calls[0]
    assert call.path == "/crm/v2/tenant/1000/export/customers"
    assert call.headers["Authorization"] == "Bearer token-1"
    assert call.headers["ST-App-Key"] == "ak1.hush"
    assert "Cookie" not in call.headers
    assert answer.attempts == 1
    assert answer.requested_at == datetime(2026, 11, 23, 10, tzinfo=UTC)


async def test_plus_sign_does_not_arrive_as_a_blank(st: ServiceTitan, upstream: Upstream) -> None:
    await st.get(LIST.path, list_params(LIST, page=1))
    assert "sort=%2BId" in upstream.calls[0].raw_path
    assert upstream.calls[0].query["sort"] == "+Id"


async def test_continuation_token_arrives_as_it_was_given(st: ServiceTitan, upstream: Upstream) -> None:
    token = "a+b/c==&d=%2B é"
    await st.get(PATH, export_params(EXPORT, token=token))
    assert upstream.calls[0].query["from"] == token


@pytest.mark.parametrize(
    ("reply", "waited"),
    [
        pytest.param({"status": 429, "body": LIMIT}, 60.0, id="429 with a title"),
        pytest.param({"status": 429, "headers": {"Retry-After": "7"}}, 7.0, id="429 with seconds"),
        pytest.param(
            {"status": 429, "headers": {"Retry-After": "Mon, 23 Nov 2026 10:00:42 GMT"}},
            42.0,
            id="429 with a date",
        ),
        pytest.param({"status": 429, "body": b""}, 1.0, id="429 without a word"),
        pytest.param({"status": 500, "body": b""}, 1.0, id="500"),
        pytest.param({"status": 503, "body": PAGE, "headers": HTML}, 1.0, id="503 as HTML"),
        pytest.param({"status": 200, "body": PAGE, "headers": HTML}, 1.0, id="200 as HTML"),
        pytest.param({"status": 409, "body": SUSPENDED}, 1.0, id="maintenance"),
        pytest.param({"status": 408, "body": b""}, 1.0, id="408"),
        pytest.param({"cut": 20}, 1.0, id="closed within the body"),
        pytest.param({"cut": 20, "chunked": True}, 1.0, id="closed within a chunked body"),
        pytest.param({"body": GOOD[:30]}, 1.0, id="complete answer, cut JSON"),
    ],
)
async def test_passing_trouble_is_waited_out(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock, reply: dict[str, Any], waited: float
) -> None:
    upstream.then(**reply)
    upstream.then(body=GOOD)
    page, answer = await page_of(st)
    assert len(page.records) == 1
    assert answer.attempts == 2
    assert clock.slept == [pytest.approx(waited)]
    assert answer.requested_at == clock.now(), "the attempt that brought it, not the first"


async def test_closed_connection_is_replaced_at_once(st: ServiceTitan, upstream: Upstream) -> None:
    """Idle connections are closed by the gateway; the HTTP client itself sends the GET again."""
    upstream.then(cut=0)
    upstream.then(body=GOOD)
    page, _ = await page_of(st)
    assert len(page.records) == 1
    assert len(upstream.calls) == 2


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        pytest.param(400, Rejected, "answered 400", id="400"),
        pytest.param(404, Rejected, "answered 404", id="404"),
        pytest.param(403, Forbidden, "lacks the scope tn.crm.customers:r", id="403"),
    ],
)
async def test_refusal_is_not_repeated(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock, status: int, error: type[Exception], says: str
) -> None:
    upstream.then(status=status, body=b'{"title":"No","traceId":"00-cd"}')
    with pytest.raises(error, match=f"^/crm/v2/export/customers: .*{says}.*trace 00-cd"):
        await page_of(st)
    assert len(upstream.calls) == 1
    assert clock.slept == []


async def test_hang_ends_with_the_attempt(
    connect: Callable[..., Awaitable[ServiceTitan]], upstream: Upstream
) -> None:
    never = anyio.Event()
    upstream.then(waits_for=never)
    upstream.then(body=GOOD)
    st = await connect(patience=Patience(attempt=timedelta(milliseconds=50)))
    _, answer = await page_of(st)
    never.set()
    assert answer.attempts == 2
    assert st.tally.failures == {"Unavailable": 1}


async def test_attempts_come_to_an_end(
    connect: Callable[..., Awaitable[ServiceTitan]], upstream: Upstream, clock: FakeClock
) -> None:
    for _ in range(4):
        upstream.then(status=502, body=b'{"title":"bad gateway","traceId":"00-ef"}')
    st = await connect(patience=Patience(attempts=4))
    with pytest.raises(Unavailable, match=r"bad gateway .*gave up after 4 attempts in 7 s") as caught:
        await page_of(st)
    assert clock.slept == [1.0, 2.0, 4.0]
    assert caught.value.trace_id == "00-ef"


async def test_wait_that_is_too_long_is_not_begun(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock
) -> None:
    upstream.then(status=429, headers={"Retry-After": "3000"})
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            await page_of(st)
        assert caught.value.retry_after == pytest.approx(3000)
    assert clock.slept == []
    assert len(upstream.calls) == 1, "the second request knows of the pause"


async def test_body_that_never_decodes_is_given_up_soon(st: ServiceTitan, upstream: Upstream) -> None:
    for _ in range(5):
        upstream.then(body=GOOD[:30])
    with pytest.raises(Malformed, match="Not JSON"):
        await page_of(st)
    assert len(upstream.calls) == 5


async def test_body_cut_after_other_trouble_is_fetched_again(st: ServiceTitan, upstream: Upstream) -> None:
    for status in (503, 500, 502):
        upstream.then(status=status)
    upstream.then(body=GOOD[:30])
    upstream.then(body=GOOD)
    _, answer = await page_of(st)
    assert answer.attempts == 5


async def test_clamped_page_is_the_callers_to_ask_again(st: ServiceTitan, upstream: Upstream) -> None:
    upstream.then(body=b'{"page":1,"pageSize":500,"hasMore":true,"data":[]}')
    with pytest.raises(Clamped) as caught:
        await st.get_page(LIST.path, list_params(LIST, page=1), partial(list_page, page=1, page_size=5000))
    assert caught.value.page_size == 500
    assert len(upstream.calls) == 1


async def test_one_429_holds_everyone(st: ServiceTitan, upstream: Upstream, clock: FakeClock) -> None:
    upstream.then(status=429, headers={"Retry-After": "60"})
    await page_of(st)
    began_at = clock.seconds
    upstream.then(status=429, headers={"Retry-After": "60"})
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(page_of, st)
    assert clock.seconds == pytest.approx(began_at + 60)
    assert st.limiter.pauses == 2


async def test_no_more_calls_are_open_than_have_a_place(
    connect: Callable[..., Awaitable[ServiceTitan]], upstream: Upstream
) -> None:
    st = await connect(at_once=3)
    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(page_of, st)
    assert upstream.most_open_calls <= 3
    assert len(upstream.calls) == st.tally.requests == 12


async def test_cancelled_calls_leave_no_connection_behind(st: ServiceTitan, upstream: Upstream) -> None:
    await page_of(st)
    never = anyio.Event()
    upstream.always(waits_for=never)
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(page_of, st)
        await upstream.until(lambda: upstream.open_calls == 8)
        tasks.cancel_scope.cancel()
    never.set()
    connector = st._session.connector
    assert connector is not None
    assert not connector._acquired
    assert st.limiter.in_flight == 0


async def test_redirect_is_not_followed(st: ServiceTitan, upstream: Upstream) -> None:
    """The app key would go along."""
    upstream.then(status=302, headers={"Location": f"{upstream.url}/elsewhere"})
    with pytest.raises(Rejected, match=r"points to .*/elsewhere: see servicetitan.api_url"):
        await page_of(st)
    assert len(upstream.calls) == 1


async def test_endless_body_is_cut_off(upstream: Upstream) -> None:
    upstream.then(body=b"x" * 100_000)
    call = Call(service="S", url=f"{upstream.url}/a", what="a", headers={"Authorization": ""})
    async with open_session() as session:
        with pytest.raises(Malformed, match="larger than 5000 bytes"):
            await fetch(session, call, within=timedelta(seconds=5), max_bytes=5000)


async def test_unreachable_host_is_named(
    connect: Callable[..., Awaitable[ServiceTitan]], unused_tcp_port: int
) -> None:
    st = await connect(api_url=f"http://127.0.0.1:{unused_tcp_port}", patience=Patience(attempts=1))
    with pytest.raises(Unavailable, match=f"customers: cannot reach 127.0.0.1:{unused_tcp_port}"):
        await page_of(st)


async def test_outage_is_logged_when_it_begins_and_when_it_ends(
    st: ServiceTitan, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="pcd.servicetitan")
    for _ in range(4):
        upstream.then(status=503, body=PAGE, headers=HTML)
    await page_of(st)
    await page_of(st)
    gone, back = (record.getMessage() for record in caplog.records)
    assert gone.startswith(
        "ServiceTitan does not answer as it should, retrying in 2 s: /crm/v2/export/customers"
    )
    assert back == "ServiceTitan answers again after 14 s"
    assert not st.is_away


async def test_single_failure_is_no_news(
    st: ServiceTitan, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="pcd.servicetitan")
    upstream.then(status=500)
    await page_of(st)
    assert caplog.records == []


async def test_no_secret_and_no_record_is_ever_logged(
    st: ServiceTitan, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    name = b'{"hasMore":false,"continueFrom":"t","data":[{"id":1,"name":"Heron Court HOA"}'
    upstream.then(body=name)
    upstream.then(status=401)
    upstream.then(status=500, body=name)
    _, answer = await page_of(st)
    told = caplog.text + repr(answer) + repr(await st.authenticator.token()) + repr(st.settings)
    assert "Attempt 1 failed" in told
    for secret in ("hush", "token-1", "token-2", "Heron"):
        assert secret not in told


async def test_client_can_be_opened_on_its_own(config: ServiceTitanConfig, upstream: Upstream) -> None:
    upstream.then(body=GOOD)
    async with client_module.connect(config, clock=Clock()) as st:
        page, _ = await page_of(st)
    assert len(page.records) == 1
