"""A small upstream that answers as it is told, over real HTTP."""

from __future__ import annotations

import json
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from pcd.clock import Clock
from pcd.config import Secret, ServiceTitanConfig
from pcd.fetcher import open_session
from pcd.servicetitan.client import ServiceTitan
from pcd.servicetitan.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from pcd.retry import Patience

EMPTY = b'{"hasMore":false,"continueFrom":"end","data":[]}'


class FakeClock(Clock):
    """Stands still until somebody sleeps or a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 23, 10, tzinfo=UTC) + timedelta(seconds=self.seconds - 1000)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await anyio.lowlevel.checkpoint()


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One scripted answer. *cut* breaks the connection after that many bytes of the body."""

    status: int = 200
    body: bytes = EMPTY
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    chunked: bool = False
    waits_for: anyio.Event | None = None


@dataclass
class Upstream:
    """What is asked and answered. The scripts are used up first; then everything is good."""

    url: str = ""
    calls: list[web.Request] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    script: deque[Reply] = field(default_factory=deque)
    token_script: deque[Reply] = field(default_factory=deque)
    by_default: Reply = Reply()
    refused_tokens: set[str] = field(default_factory=set)
    open_calls: int = 0
    most_open_calls: int = 0

    def then(self, **reply: Any) -> None:  # noqa: ANN401 - the fields of Reply
        """Answer the next call that has no answer yet with a `Reply` of these."""
        self.script.append(Reply(**reply))

    def then_grant(self, **reply: Any) -> None:  # noqa: ANN401 - the fields of Reply
        """Answer the next token request that has no answer yet with a `Reply` of these."""
        self.token_script.append(Reply(**reply))

    def always(self, **reply: Any) -> None:  # noqa: ANN401 - the fields of Reply
        """Answer every call that has no answer of its own with a `Reply` of these."""
        self.by_default = Reply(**reply)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return when *is_so* has become true."""
        while not is_so():  # noqa: ASYNC110 - any state of the server, which announces none
            await anyio.sleep(0.001)

    async def call(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(request)
        self.open_calls += 1
        self.most_open_calls = max(self.most_open_calls, self.open_calls)
        try:
            if request.headers["Authorization"].removeprefix("Bearer ") in self.refused_tokens:
                return web.Response(status=401)
            return await _send(request, self.script.popleft() if self.script else self.by_default)
        finally:
            self.open_calls -= 1

    async def grant(self, request: web.Request) -> web.StreamResponse:
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        token = {"access_token": f"token-{len(self.forms)}", "expires_in": 900, "token_type": "Bearer"}
        good = Reply(body=json.dumps(token).encode())
        return await _send(request, self.token_script.popleft() if self.token_script else good)


async def _send(request: web.Request, reply: Reply) -> web.StreamResponse:
    if reply.waits_for is not None:
        await reply.waits_for.wait()
    response = web.StreamResponse(
        status=reply.status, headers={"Content-Type": "application/json", **reply.headers}
    )
    if reply.chunked:
        response.enable_chunked_encoding()
    else:
        response.content_length = len(reply.body)
    if reply.cut == 0:
        _break_connection(request)
        return response
    await response.prepare(request)
    await response.write(reply.body if reply.cut is None else reply.body[: reply.cut])
    if reply.cut is not None:
        _break_connection(request)
    else:
        await response.write_eof()
    return response


def _break_connection(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest_asyncio.fixture
async def upstream() -> AsyncGenerator[Upstream]:
    told = Upstream()
    app = web.Application()
    app.router.add_post("/connect/token", told.grant)
    app.router.add_get("/{path:.*}", told.call)
    async with TestServer(app, shutdown_timeout=0) as server:
        told.url = str(server.make_url("")).rstrip("/")
        yield told


@pytest.fixture
def config(upstream: Upstream) -> ServiceTitanConfig:
    return ServiceTitanConfig(
        api_url=upstream.url,
        auth_url=upstream.url,
        tenant_id="1000",
        client_id="cid.test",
        client_secret=Secret("cs1.hush"),
        app_key=Secret("ak1.hush"),
    )


@pytest_asyncio.fixture
async def connect(
    config: ServiceTitanConfig, clock: FakeClock
) -> AsyncGenerator[Callable[..., Awaitable[ServiceTitan]]]:
    """Yield what makes clients that never wait for real; its keywords change the settings."""
    async with AsyncExitStack() as stack:

        async def make(
            *, patience: Patience | None = None, at_once: int = 8, **changes: object
        ) -> ServiceTitan:
            return ServiceTitan(
                msgspec.structs.replace(config, **changes),
                session=await stack.enter_async_context(open_session()),
                clock=clock,
                limiter=Limiter(per_second=60, clock=clock, at_once=at_once, sleep=clock.sleep),
                patience=patience,
                sleep=clock.sleep,
                jitter=lambda: 1.0,
            )

        yield make


@pytest_asyncio.fixture
async def st(connect: Callable[..., Awaitable[ServiceTitan]]) -> ServiceTitan:
    return await connect()
