"""The client against the simulator with everything going wrong that its faults know."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pcd.config import Secret
from pcd.servicetitan.decode import export_page, head, list_page
from pcd.servicetitan.paginate import export_params, list_params
from pcd.sim.clock import SimClock
from pcd.sim.faults import PRESETS
from pcd.sim.server import Simulator, serve
from pcd.sim.settings import SimSettings
from pcd.sim.store import Store
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pcd.servicetitan.client import ServiceTitan

pytestmark = pytest.mark.asyncio

CUSTOMERS = RESOURCES["customers"]
COUNT = 300
NOW = datetime(2026, 9, 4, 12, tzinfo=UTC)


def company() -> Store:
    store = Store(clock=SimClock(NOW, speed=0.0))
    for number in range(1, COUNT + 1):
        store["customers"].put(
            {"id": number, "name": f"Heron Court {number}", "active": number % 4 != 0},
            modified_at=NOW - timedelta(hours=COUNT + 1 - number),
        )
    return store


async def export_ids(st: ServiceTitan) -> AsyncIterator[int]:
    assert CUSTOMERS.export is not None
    token, has_more = "", True
    while has_more:
        params = export_params(CUSTOMERS.export, token=token)
        page, _ = await st.get_page(CUSTOMERS.export.path, params, export_page)
        token, has_more = page.continue_from, page.has_more
        for record in page.records:
            yield head(record).id


async def list_ids(st: ServiceTitan) -> AsyncIterator[int]:
    assert CUSTOMERS.list is not None
    number, has_more = 1, True
    while has_more:
        params = list_params(CUSTOMERS.list, page=number, page_size=20)
        decode = partial(list_page, page=number, page_size=20)
        page, _ = await st.get_page(CUSTOMERS.list.path, params, decode)
        number, has_more = number + 1, page.has_more
        for record in page.records:
            yield head(record).id


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_every_record_arrives_through_a_storm(
    connect: Callable[..., Awaitable[ServiceTitan]], seed: int
) -> None:
    assert CUSTOMERS.list is not None
    settings = SimSettings(export_page_size=20, requests_per_second=10_000)
    faults = replace(PRESETS["storm"], hang=0.0, token_expired=0.1, seed=seed)
    simulator = Simulator(company(), settings=settings)
    async with serve(simulator) as url:
        st = await connect(
            api_url=url,
            auth_url=url,
            client_id=settings.client_id,
            client_secret=Secret(settings.client_secret),
            app_key=Secret(settings.app_key),
        )
        await st.get(CUSTOMERS.list.path, {})
        simulator.dice.switch(faults)
        exported = [record_id async for record_id in export_ids(st)]
        listed = [record_id async for record_id in list_ids(st)]
    assert sorted(exported) == list(range(1, COUNT + 1))
    assert listed == list(range(1, COUNT + 1))
    assert simulator.dice.counts.total() > 0
