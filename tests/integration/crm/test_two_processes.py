"""Whoever plans while another process takes over writes nothing: what the lease protects is planned once."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from support.selling import LIMITLESS, QUICK, Selling, selling

from pcd.clock import Clock
from pcd.crm.works import Works
from pcd.db.leases import Leaser
from pcd.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

_DOUBLING = replace(LIMITLESS, allow_duplicate_contact=True, allow_duplicate_opportunity=True)
_EXPIRE = "UPDATE pcd.leases SET expires_at = now() WHERE name = 'ghl'"
_TAKE_OVER = "UPDATE pcd.leases SET term = nextval('pcd.lease_terms'), expires_at = now() WHERE name = 'ghl'"
# As much of a statement as the server shows while it runs.
_SETTLES = "remembered AS"
_WAITS = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1
)
"""


@asynccontextmanager
async def another(company: Selling, *, wait: timedelta = timedelta(seconds=20)) -> AsyncIterator[Works]:
    """Hold the lease after *company*, as another process would."""
    clock = Clock()
    leaser = Leaser(company.db, holder="another", ttl=timedelta(seconds=30), clock=clock)
    async with leaser.hold("ghl", wait=wait) as lease:
        works = company.works
        yield Works(
            company.config,
            company.db,
            works.client,
            lease=lease,
            premises=works.premises,
            clock=clock,
            pace=QUICK,
        )


async def until_waiting(db: Database, statement: str) -> None:
    with anyio.fail_after(10):
        while not await db.fetchval(_WAITS, f"%{statement}%"):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.005)


async def finished(company: Selling, works: Works) -> None:
    """Check that *works* makes everybody's contact and card, each once."""
    await works.reconciler.drain()
    await works.sender.empty()
    store = company.sim.store
    assert (len(store.contacts), len(store.opportunities)) == (3, 3)
    assert await company.db.fetchval("SELECT count(*) FROM pcd.crm_dirty") == 0


async def dirty(company: Selling) -> None:
    """Let three new customers wait for being considered."""
    for customer_id in (1, 2, 3):
        await company.customer(customer_id)
        await company.job(customer_id, customer_id)
    await company.detection.events()
    await company.works.marker.look_at_events()


async def test_plan_that_a_takeover_precedes_is_not_stored(db: Database, tmp_path: Path) -> None:
    """It was made from what was owed before; the next holder plans the same by then."""
    with pytest.raises(LeaseLost, match="another process has taken it over"):
        await overtaken(db, tmp_path)


async def overtaken(db: Database, folder: Path) -> None:
    lost: list[LeaseLost] = []
    async with selling(db, folder, settings=_DOUBLING) as company:
        await dirty(company)

        async def consider() -> None:
            with pytest.raises(LeaseLost) as raised:
                await company.works.reconciler.drain()
            lost.append(raised.value)

        async with anyio.create_task_group() as group, db.transaction() as connection:
            await connection.execute(_TAKE_OVER)
            group.start_soon(consider)
            await until_waiting(db, _SETTLES)
        assert len(lost) == 1
        assert await db.fetchval("SELECT count(*) FROM integrations.ghl_outbox") == 0
        async with another(company) as works:
            await finished(company, works)


async def test_takeover_waits_for_a_plan_that_is_being_stored(db: Database, tmp_path: Path) -> None:
    """Else the next holder would read what was owed before, and owe it again."""
    async with selling(db, tmp_path, settings=_DOUBLING) as company:
        await dirty(company)
        owed_when_taken: list[int] = []

        async def take_over() -> None:
            async with another(company) as works:
                owed_when_taken.append(await db.fetchval("SELECT count(*) FROM integrations.ghl_outbox"))
                await finished(company, works)

        async with anyio.create_task_group() as group, db.transaction() as connection:
            await connection.execute("SELECT FROM pcd.crm_dirty FOR UPDATE")
            group.start_soon(company.works.reconciler.drain)
            await until_waiting(db, _SETTLES)
            await db.execute(_EXPIRE)
            group.start_soon(take_over)
            await until_waiting(db, "INSERT INTO pcd.leases")
        assert owed_when_taken == [6]
