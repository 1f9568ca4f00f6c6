"""Every pool of connections that a daemon has is counted, under one name each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import aiohttp
import anyio
import pytest
from support.daemons import Home, running, servicetitan
from support.selling import shipped_ghl

from pcd.sim.ghl.subaccount import open_subaccount
from pcd.sim.tenant import open_tenant

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

_LINE = re.compile(r'pcd_database_connections\{pool="(\w+)",state="most"\} (\S+)')


async def test_all_pools_are_counted(tmp_path: Path, database_url: str) -> None:
    async with open_tenant(customers=2, pace=0) as tenant, open_subaccount() as subaccount:
        home = Home(
            tmp_path,
            {
                "database.url": database_url,
                "database.pool_size": 7,
                **servicetitan(tenant),
                **shipped_ghl(subaccount.simulator, subaccount.url),
            },
        )
        async with running(home):
            status = await home.until(lambda status: bool(status["http"]))
            address = f"{status['http']}metrics"
            async with aiohttp.ClientSession() as session:
                with anyio.fail_after(50):
                    while len(found := await _pools(session, address)) < 5:  # noqa: ASYNC110 - no event tells
                        await anyio.sleep(0.1)
    assert found == {"main": 7, "watch": 2, "events": 3, "workflows": 4, "ghl": 8}


async def _pools(session: aiohttp.ClientSession, address: str) -> dict[str, float]:
    async with session.get(address) as response:
        return {name: float(most) for name, most in _LINE.findall(await response.text())}
