"""A small HTTP server of a test's own, which remembers what it was sent and answers as it is told."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, slots=True)
class Posted:
    """One request: where to, with which headers, and its JSON body."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Hooks:
    """What came, and what is answered: *statuses* one after the other, the last one for ever.

    *body* is the answer; a *delay* makes it late.
    """

    url: str = ""
    posted: list[Posted] = field(default_factory=list)
    statuses: list[int] = field(default_factory=lambda: [200])
    body: object = "ok"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    news: anyio.Event = field(default_factory=anyio.Event)

    async def until(self, count: int) -> list[Posted]:
        """Return what came once there are *count* requests."""
        with anyio.fail_after(20):
            while len(self.posted) < count:
                await self.news.wait()
        return self.posted

    async def answer(self, request: web.Request) -> web.Response:
        """Remember *request* and answer it."""
        raw = await request.read()
        self.posted.append(
            Posted(request.path, dict(request.headers), msgspec.json.decode(raw) if raw else None)
        )
        self.news.set()
        self.news = anyio.Event()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        await anyio.sleep(self.delay)
        return web.json_response(self.body, status=status, headers=self.headers)


@asynccontextmanager
async def hooks() -> AsyncIterator[Hooks]:
    """Serve on loopback."""
    found = Hooks()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        found.url = f"http://{host}:{port}"
        yield found
    finally:
        await runner.cleanup()
