"""A small simulated tenant, served on a free port, and a caller that knows its credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import orjson
import pytest
import pytest_asyncio

from pcd.sim.clock import SimClock
from pcd.sim.server import Simulator, serve
from pcd.sim.store import Store

if TYPE_CHECKING:
    from pcd.sim.faults import Faults
    from pcd.sim.settings import SimSettings

NOW = datetime(2026, 9, 4, 12, 0, 0, 123456, tzinfo=UTC)
CUSTOMERS = "/crm/v2/tenant/1000/customers"
EXPORT = "/crm/v2/tenant/1000/export/customers"


class HandClock(SimClock):
    """A clock that only moves by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        super().__init__(NOW, speed=1.0)

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Api:
    """Calls one simulator."""

    simulator: Simulator
    clock: HandClock
    url: str
    session: aiohttp.ClientSession
    token: str = ""

    async def post_token(self, **changes: str) -> tuple[int, dict[str, Any]]:
        """Ask for a token; *changes* replace parts of the right form."""
        settings = self.simulator.settings
        form = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
        } | changes
        async with self.session.post(f"{self.url}/connect/token", data=form) as answer:
            return answer.status, await answer.json()

    async def send(self, path: str, **params: str) -> tuple[int, bytes]:
        """Return status and body of a GET with credentials."""
        if not self.token:
            _, body = await self.post_token()
            self.token = body["access_token"]
        headers = {"Authorization": f"Bearer {self.token}", "ST-App-Key": "sim-app-key"}
        return await self.send_as(headers, path, **params)

    async def send_as(self, headers: dict[str, str], path: str, **params: str) -> tuple[int, bytes]:
        """Return status and body of a GET with *headers* only."""
        async with self.session.get(self.url + path, params=params, headers=headers) as answer:
            return answer.status, await answer.read()

    async def get(self, path: str, **params: str) -> dict[str, Any]:
        """Return the body of a GET that must succeed."""
        status, body = await self.send(path, **params)
        assert status == 200, body
        found: dict[str, Any] = orjson.loads(body)
        return found

    async def ids(self, path: str, **params: str) -> list[int]:
        """Return the ids in an answer, in its order."""
        return [record["id"] for record in (await self.get(path, **params))["data"]]

    async def drain(self, path: str, **params: str) -> tuple[list[dict[str, Any]], str]:
        """Follow an export until it has no more; return all its records and the last token."""
        records: list[dict[str, Any]] = []
        while True:
            page = await self.get(path, **params)
            records += page["data"]
            params["from"] = page["continueFrom"]
            if not page["hasMore"]:
                return records, params["from"]


MakeApi: TypeAlias = Callable[..., AbstractAsyncContextManager[Api]]


def fill(store: Store, *, count: int = 12) -> None:
    """Put customers 1..count, one modified an hour after the other, the last an hour ago."""
    for number in range(1, count + 1):
        store["customers"].put(
            {"id": number, "name": f"Heron Court {number}", "active": number % 4 != 0},
            modified_at=NOW - timedelta(hours=count + 1 - number),
        )


@asynccontextmanager
async def running(*, settings: SimSettings | None = None, faults: Faults | None = None) -> AsyncIterator[Api]:
    """Serve a small tenant under these settings and faults."""
    clock = HandClock()
    store = Store(clock=clock)
    fill(store)
    simulator = Simulator(store, settings=settings, faults=faults)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(simulator))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Api(simulator=simulator, clock=clock, url=url, session=session)


@pytest.fixture
def simulated() -> MakeApi:
    return running


@pytest_asyncio.fixture
async def api() -> AsyncIterator[Api]:
    async with running() as found:
        yield found
