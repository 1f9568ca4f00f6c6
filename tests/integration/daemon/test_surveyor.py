"""How much a sync is going to read, asked beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.mirroring import credentials

from pcd.clock import Clock
from pcd.control.methods import Compare
from pcd.control.surveyor import Surveyor
from pcd.servicetitan.client import connect
from pcd.sim.tenant import open_tenant
from pcd.sync.request import Mode, Request
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from pcd.control.methods import Errand
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("errand", "names"),
    [
        pytest.param(Request(mode=Mode.FULL, only=("jobs", "customers")), {"jobs", "customers"}, id="full"),
        pytest.param(Compare(("jobs",)), {"jobs"}, id="compare"),
        pytest.param(Request(mode=Mode.INCREMENTAL, only=("jobs", "customers")), {"jobs"}, id="not loaded"),
        pytest.param(
            Request(mode=Mode.REFERENCE),
            {name for name, each in RESOURCES.items() if each.reference},
            id="reference",
        ),
    ],
)
async def test_size_is_known_of_what_is_read_whole(db: Database, errand: Errand, names: set[str]) -> None:
    await db.execute(
        "INSERT INTO pcd.cursors (resource, first_load_completed_at) VALUES ('customers', now())"
    )
    async with (
        open_tenant(customers=3, pace=0) as tenant,
        connect(credentials(tenant.url), clock=Clock()) as st,
    ):
        heard: dict[str, int] = {}
        await Surveyor(db, st, resources=RESOURCES).survey(errand, heard.__setitem__)
        assert heard == {name: len(tenant.simulator.store[name]) for name in names}


async def test_nothing_depends_on_it(db: Database) -> None:
    async with open_tenant(customers=1, pace=0) as tenant:
        url = tenant.url
    async with connect(credentials(url), clock=Clock()) as st:
        heard: dict[str, int] = {}
        await Surveyor(db, st, resources=RESOURCES).survey(Request(mode=Mode.FULL), heard.__setitem__)
    assert heard == {}
