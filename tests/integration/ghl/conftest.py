"""A small GoHighLevel that answers as it is told, and the simulated one, both over real HTTP."""

from __future__ import annotations

import json
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from support.clocks import StandingClock

from pcd.config import GhlConfig, Secret
from pcd.fetcher import open_session
from pcd.ghl.authenticator import PrivateToken
from pcd.ghl.caller import PATIENCE, Caller
from pcd.ghl.client import GoHighLevel
from pcd.ghl.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    import anyio

    from pcd.ghl.authenticator import Authenticator
    from pcd.retry import Patience

TOKEN = "pit-hush-hush"
CONTACT = {"contact": {"id": "c1", "firstName": "Otter"}}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One scripted answer. *cut* breaks the connection after that many bytes of the body."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    waits_for: anyio.Event | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass
class Upstream:
    """What was asked and what is answered: the script first, then always the same."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    script: deque[Reply] = field(default_factory=deque)
    by_default: Reply = Reply()
    good_tokens: set[str] | None = None

    def then(self, body: object = None, **reply: Any) -> None:  # noqa: ANN401 - the fields of Reply
        """Answer the next request that has no answer yet with a `Reply` of these, *body* as JSON."""
        if body is not None:
            reply["body"] = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.script.append(Reply(**reply))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        is_form = request.content_type == "application/x-www-form-urlencoded"
        body = dict(await request.post()) if is_form else json.loads(await request.read() or b"null")
        query = dict(request.query)
        self.asked.append(
            Asked(
                method=request.method, path=request.raw_path, query=query, headers=request.headers, body=body
            )
        )
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.good_tokens is not None and not is_form and token not in self.good_tokens:
            return web.json_response({"message": "Invalid JWT"}, status=401)
        return await _send(request, self.script.popleft() if self.script else self.by_default)


async def _send(request: web.Request, reply: Reply) -> web.StreamResponse:
    if reply.waits_for is not None:
        await reply.waits_for.wait()
    response = web.StreamResponse(
        status=reply.status, headers={"Content-Type": "application/json", **reply.headers}
    )
    response.content_length = len(reply.body)
    assert request.transport is not None
    if reply.cut == 0:
        request.transport.close()
        return response
    await response.prepare(request)
    await response.write(reply.body[: reply.cut])
    if reply.cut is None:
        await response.write_eof()
    else:
        request.transport.close()
    return response


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest_asyncio.fixture
async def upstream() -> AsyncGenerator[Upstream]:
    told = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", told.answer)
    async with TestServer(app, shutdown_timeout=0) as server:
        told.url = str(server.make_url("")).rstrip("/")
        yield told


@pytest.fixture
def config(upstream: Upstream) -> GhlConfig:
    return GhlConfig(api_url=upstream.url, token=Secret(TOKEN), location_id="loc1")


@pytest_asyncio.fixture
async def connect(
    config: GhlConfig, clock: StandingClock
) -> AsyncGenerator[Callable[..., Awaitable[GoHighLevel]]]:
    """Yield what makes clients that never wait for real; its keywords change the settings."""
    async with AsyncExitStack() as stack:

        async def make(
            *, patience: Patience = PATIENCE, authenticator: Authenticator | None = None, **changes: object
        ) -> GoHighLevel:
            settings = msgspec.structs.replace(config, **changes)
            caller = Caller(
                settings,
                session=await stack.enter_async_context(open_session(keep_alive=timedelta(seconds=20))),
                clock=clock,
                limiter=Limiter(clock=clock, sleep=clock.sleep),
                authenticator=authenticator or PrivateToken(settings.token, path=None),
                patience=patience,
                sleep=clock.sleep,
                jitter=lambda: 1.0,
            )
            return GoHighLevel(settings, caller=caller)

        yield make


@pytest_asyncio.fixture
async def ghl(connect: Callable[..., Awaitable[GoHighLevel]]) -> GoHighLevel:
    return await connect()
