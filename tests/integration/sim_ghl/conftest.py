"""A simulated sub-account on a free port, whose clock moves by hand, and a caller that knows its token."""

# ruff: noqa: ANN401 - whatever JSON and the settings take
from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import orjson
import pytest
import pytest_asyncio

from pcd.sim.clock import SimClock
from pcd.sim.ghl.settings import GhlSimSettings
from pcd.sim.ghl.subaccount import open_subaccount

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pcd.sim.ghl.server import Simulator

NOW = datetime(2026, 9, 4, 12, 0, 0, 123456, tzinfo=UTC)
VERSION = "2021-07-28"


class HandClock(SimClock):
    """A clock that only moves by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        super().__init__(NOW)

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Api:
    """Calls one sub-account."""

    simulator: Simulator
    clock: HandClock
    url: str
    session: aiohttp.ClientSession

    @property
    def location(self) -> str:
        return self.simulator.settings.location_id

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.simulator.settings.token}", "Version": VERSION}

    async def send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> tuple[int, Any]:
        """Return status and body (decoded where it is JSON) of a request, with credentials by default."""
        headers = self.headers if headers is None else headers
        async with self.session.request(method, self.url + path, headers=headers, **options) as answer:
            raw = await answer.read()
            return answer.status, orjson.loads(raw) if answer.content_type == "application/json" else raw

    async def contact(self, **fields: Any) -> str:
        """Create a contact and return its id."""
        status, body = await self.send("POST", "/contacts/", json={"locationId": self.location, **fields})
        assert status == 201, body
        found: str = body["contact"]["id"]
        return found

    async def opportunity(self, contact_id: str, **fields: Any) -> tuple[int, Any]:
        """Try to create an opportunity in the first pipeline."""
        body = {
            "locationId": self.location,
            "pipelineId": self.simulator.settings.pipelines[0].id,
            "name": "Pool",
            "status": "open",
            "contactId": contact_id,
        }
        return await self.send("POST", "/opportunities/", json=body | fields)

    async def search(self, **body: Any) -> tuple[int, Any]:
        """Search contacts."""
        wanted = {"locationId": self.location, "pageLimit": 20, **body}
        return await self.send("POST", "/contacts/search", json=wanted)


OpenApi: TypeAlias = "Callable[..., AbstractAsyncContextManager[Api]]"


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Api]:
    """Serve a sub-account under these settings."""
    clock = HandClock()
    async with (
        open_subaccount(settings=GhlSimSettings(**settings), clock=clock) as sub,
        aiohttp.ClientSession() as session,
    ):
        yield Api(simulator=sub.simulator, clock=clock, url=sub.url, session=session)


@pytest.fixture
def opened() -> OpenApi:
    return running


@pytest_asyncio.fixture
async def api() -> AsyncIterator[Api]:
    async with running() as found:
        yield found
