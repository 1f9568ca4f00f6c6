"""``pcd switch`` while customers come: live from one moment on, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from support.daemons import Home, started
from support.selling import LIMITLESS, Written, shipped_ghl

from pcd.control.client import connect
from pcd.sim.ghl.subaccount import open_subaccount
from pcd.sim.trouble import TroubleRates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(240)]

SLOW = TroubleRates(slow_answer=1.0, slow_seconds=0.5)
_RECORDED = """
SELECT count(*) FROM integrations.ghl_outbox WHERE state = 'dry_run' AND customer_id BETWEEN $1 AND $2
"""


async def test_switch_goes_live_and_stops_at_once_and_goes_on_without_doubles(
    db: Database, tmp_path: Path
) -> None:
    """It is turned off in the midst of pushing: whoever was under way is finished, and nobody else begun.

    A process for the command would take as long to start as the pushing takes.
    """
    async with open_subaccount(settings=replace(LIMITLESS)) as subaccount:
        company = Written(db, subaccount.simulator)
        await company.watch()
        keys = shipped_ghl(subaccount.simulator, subaccount.url, dry_run=True, search_lag="200ms")
        home = Home(tmp_path, {"database.url": db.url, "events.poll_interval": "500ms", **keys})
        async with started(home, "run", "--only", "events,ghl") as daemon:
            await daemon.until_state("ghl sender", "running")
            await _come(company, range(1, 4))
            await _until_recorded(db, 1, 3, count=6)
            assert company.writes() == []

            assert (await home.command("switch", "on", "--json")).json["mode"] == "live"
            await _until(lambda: len(company.cards()) == 3)
            await _come(company, range(4, 6))
            await _until(lambda: len(company.cards()) == 5)

            company.sim.troubles.switch(SLOW)
            await _come(company, range(6, 46))
            await _until(lambda: len(company.writes()) > 20)
            async with connect(home.socket) as client:
                assert (await client.call("ghl.switch", {"is_live": False}))["mode"] == "shadow"
            written = len(company.writes())
            assert written < 2 * 45
            await _come(company, range(46, 51))
            await _until_recorded(db, 46, 50, count=10)
            assert len(company.writes()) == written
            assert len(company.sim.calls.committed) == written

            company.sim.troubles.switch(TroubleRates())
            assert (await home.command("switch", "on", "--json")).json["mode"] == "live"
            await _until(lambda: len(company.cards()) == 50)
            store = company.sim.store
            assert len(store.contacts) == len(store.opportunities) == 50
            assert len(company.writes()) == 100


async def _come(company: Written, customers: Iterable[int]) -> None:
    for st_id in customers:
        await company.customer(st_id)


async def _until_recorded(db: Database, first: int, last: int, *, count: int) -> None:
    """Return once so many calls for these customers were recorded and not sent."""
    with anyio.fail_after(60):
        while await db.fetchval(_RECORDED, first, last) < count:  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.05)


async def _until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not is_so():  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.01)
