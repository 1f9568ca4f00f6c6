from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pcd.config import Secret
from pcd.errors import Malformed, RateLimited, Unauthorized, Unavailable
from pcd.retry import Patience
from pcd.servicetitan.checker import check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from integration.servicetitan.conftest import FakeClock, Upstream

    from pcd.servicetitan.authenticator import Authenticator, Token
    from pcd.servicetitan.client import ServiceTitan

pytestmark = pytest.mark.asyncio

PATH = "/crm/v2/tenant/{tenant}/export/customers"
INVALID = {"status": 400, "body": b'{"error":"invalid_client"}'}


async def tokens(authenticator: Authenticator, count: int) -> list[Token | Exception]:
    """Return what *count* callers get who ask at the same time."""
    got: list[Token | Exception] = []

    async def ask() -> None:
        try:
            got.append(await authenticator.token())
        except (Unauthorized, RateLimited, Unavailable) as error:
            got.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(ask)
    return got


async def test_token_is_asked_for_with_a_form(st: ServiceTitan, upstream: Upstream) -> None:
    token = await st.authenticator.token()
    assert token.value == "token-1"
    assert upstream.forms == [
        {"grant_type": "client_credentials", "client_id": "cid.test", "client_secret": "cs1.hush"}
    ]


async def test_twenty_callers_share_one_token_request(st: ServiceTitan, upstream: Upstream) -> None:
    got = await tokens(st.authenticator, 20)
    assert len(got) == 20
    assert len({id(token) for token in got}) == 1
    assert len(upstream.forms) == 1


async def test_twenty_callers_share_one_failure(st: ServiceTitan, upstream: Upstream) -> None:
    upstream.then_grant(**INVALID)
    got = await tokens(st.authenticator, 20)
    assert all(isinstance(error, Unauthorized) for error in got)
    assert len(upstream.forms) == 1


async def test_cancelled_caller_leaves_the_request_to_the_next(st: ServiceTitan, upstream: Upstream) -> None:
    never = anyio.Event()
    upstream.then_grant(waits_for=never)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(st.authenticator.token)
        await upstream.until(lambda: len(upstream.forms) == 1)
        tasks.cancel_scope.cancel()
    never.set()
    assert (await st.authenticator.token()).value == "token-2"


async def test_refused_credentials_name_the_keys(st: ServiceTitan, upstream: Upstream) -> None:
    upstream.then_grant(**INVALID)
    with pytest.raises(Unauthorized) as caught:
        await st.get(PATH, {})
    text = str(caught.value)
    assert "invalid_client" in text
    assert "servicetitan.client_id (SERVICE_TITAN_CLIENT_ID)" in text
    assert "servicetitan.client_secret (SERVICE_TITAN_CLIENT_SECRET)" in text
    assert "hush" not in text
    assert upstream.calls == []


async def test_refused_credentials_are_tried_again_after_a_minute(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock
) -> None:
    upstream.then_grant(**INVALID)
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await st.get(PATH, {})
    assert len(upstream.forms) == 1
    clock.seconds += 60
    await st.get(PATH, {})
    assert len(upstream.forms) == 2


async def test_missing_credentials_are_named_without_asking(
    connect: Callable[..., Awaitable[ServiceTitan]], upstream: Upstream
) -> None:
    st = await connect(client_id="", app_key=Secret())
    with pytest.raises(Unauthorized, match=r"CLIENT_ID\), .*APP_KEY\) are not set"):
        await st.get(PATH, {})
    assert upstream.forms == []


async def test_wrong_token_address_is_named(
    connect: Callable[..., Awaitable[ServiceTitan]], upstream: Upstream
) -> None:
    st = await connect(auth_url=f"{upstream.url}/nowhere/else")
    with pytest.raises(Unauthorized, match=r"/nowhere/else answered 405.*servicetitan.auth_url"):
        await st.get(PATH, {})


async def test_unreachable_token_endpoint_is_named(
    connect: Callable[..., Awaitable[ServiceTitan]], unused_tcp_port: int
) -> None:
    st = await connect(auth_url=f"http://127.0.0.1:{unused_tcp_port}", patience=Patience(attempts=2))
    with pytest.raises(Unavailable, match=f"token request: cannot reach 127.0.0.1:{unused_tcp_port}"):
        await st.get(PATH, {})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{}", id="nothing"),
        pytest.param(b'{"access_token":""}', id="empty"),
        pytest.param(b'{"access_token":"a\\nb"}', id="line break"),
        pytest.param(b'{"access_token":"a","expires_in":-1}', id="already over"),
        pytest.param(b'{"access_token":', id="cut short"),
        pytest.param(b'{"access_token":"\xff"}', id="not UTF-8"),
    ],
)
async def test_answer_without_a_token_is_malformed(st: ServiceTitan, upstream: Upstream, body: bytes) -> None:
    upstream.then_grant(body=body)
    with pytest.raises(Malformed, match="without a token"):
        await st.authenticator.token()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param({"status": 503, "body": b""}, id="503"),
        pytest.param({"body": b"{}"}, id="no token"),
        pytest.param({"cut": 5}, id="broken off"),
    ],
)
async def test_passing_trouble_at_the_token_endpoint_is_waited_out(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock, reply: dict[str, Any]
) -> None:
    upstream.then_grant(**reply)
    assert (await st.get(PATH, {})).attempts == 2
    assert clock.slept == [1.0]


async def test_throttled_token_endpoint_is_left_alone(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock
) -> None:
    upstream.then_grant(status=429, headers={"Retry-After": "30"})
    with pytest.raises(RateLimited):
        await st.authenticator.token()
    clock.seconds += 10
    with pytest.raises(RateLimited) as caught:
        await st.authenticator.token()
    assert caught.value.retry_after == pytest.approx(20)
    assert len(upstream.forms) == 1
    await st.get(PATH, {})
    assert clock.seconds == pytest.approx(1030)


async def test_token_is_replaced_before_its_end(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock
) -> None:
    await st.get(PATH, {})
    clock.seconds += 779
    await st.get(PATH, {})
    assert len(upstream.forms) == 1
    clock.seconds += 2
    await st.get(PATH, {})
    assert upstream.calls[-1].headers["Authorization"] == "Bearer token-2"


async def test_others_go_on_with_the_old_token_while_it_is_replaced(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock
) -> None:
    old = await st.authenticator.token()
    clock.seconds += 800
    granted = anyio.Event()
    upstream.then_grant(waits_for=granted, body=b'{"access_token":"new","expires_in":900}')
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(st.authenticator.token)
        await upstream.until(lambda: len(upstream.forms) == 2)
        assert await st.authenticator.token() is old
        granted.set()
    assert (await st.authenticator.token()).value == "new"


async def test_old_token_serves_while_no_new_one_is_given(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock
) -> None:
    old = await st.authenticator.token()
    clock.seconds += 800
    upstream.then_grant(status=503, body=b"")
    assert await st.authenticator.token() is old
    assert await st.authenticator.token() is old
    assert len(upstream.forms) == 2, "not asked again at once"
    clock.seconds += 15
    assert (await st.authenticator.token()).value == "token-3"


async def test_token_that_ended_within_a_long_retry_is_replaced(st: ServiceTitan, upstream: Upstream) -> None:
    upstream.then(status=429, headers={"Retry-After": "890"})
    answer = await st.get(PATH, {})
    assert answer.attempts == 2
    assert [call.headers["Authorization"] for call in upstream.calls] == ["Bearer token-1", "Bearer token-2"]


async def test_token_refused_in_the_middle_of_a_scan_is_replaced_once(
    st: ServiceTitan, upstream: Upstream
) -> None:
    await st.get(PATH, {})
    upstream.refused_tokens.add("token-1")
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(st.get, PATH, {})
    assert len(upstream.forms) == 2
    assert upstream.calls[-1].headers["Authorization"] == "Bearer token-2"


async def test_call_refused_twice_names_the_app_key(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock
) -> None:
    upstream.always(status=401, body=b'{"traceId":"00-ab"}')
    with pytest.raises(Unauthorized, match=r"servicetitan.app_key .*connected to tenant 1000") as caught:
        await st.get(PATH, {})
    assert caught.value.trace_id == "00-ab"
    assert len(upstream.calls) == 2
    assert clock.slept == []


async def test_wrong_app_key_does_not_get_us_throttled_at_the_token_endpoint(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock
) -> None:
    upstream.always(status=401)
    for asked in (6, 11):
        for _ in range(20):
            with pytest.raises(Unauthorized):
                await st.get(PATH, {})
        assert len(upstream.forms) == asked
        clock.seconds += 61


async def test_two_refusals_in_a_row_are_waited_out_when_others_are_let_in(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock
) -> None:
    await st.get(PATH, {})
    upstream.then(status=401)
    upstream.then(status=401)
    assert (await st.get(PATH, {})).attempts == 2
    assert clock.slept == [1.0]


async def test_revoked_app_key_is_told_after_a_minute(
    st: ServiceTitan, upstream: Upstream, clock: FakeClock
) -> None:
    await st.get(PATH, {})
    upstream.always(status=401)
    with pytest.raises(Unauthorized, match=r"servicetitan\.app_key"):
        await st.get(PATH, {})
    assert 60 <= clock.seconds - 1000 < 70
    assert len(upstream.forms) <= 10


@pytest.mark.parametrize(
    ("token", "call", "expected", "says"),
    [
        pytest.param({}, {}, (True, True), "accepts the credentials", id="good"),
        pytest.param(
            {}, {"status": 403}, (True, True), "lacks the scope tn.stt.businessunits:r", id="no scope"
        ),
        pytest.param(INVALID, {}, (False, True), "servicetitan.client_id", id="wrong secret"),
        pytest.param({}, {"status": 401}, (False, True), "servicetitan.app_key", id="wrong app key"),
        pytest.param({}, {"status": 503}, (False, False), "could not be tried", id="down"),
    ],
)
async def test_check_gives_a_verdict_for_people(
    st: ServiceTitan,
    upstream: Upstream,
    token: dict[str, Any],
    call: dict[str, Any],
    expected: tuple[bool, bool],
    says: str,
) -> None:
    if token:
        upstream.then_grant(**token)
    upstream.always(**call)
    verdict = await check(st)
    assert (verdict.is_good, verdict.is_certain) == expected
    assert says in verdict.text
