"""A simulated company lives, and what happens to it becomes events: each once, and nothing of before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.detecting import detecting
from support.mirroring import mirrored

from pcd.changes.armer import arm
from pcd.events.event import Surroundings
from pcd.events.recorder import Settings
from pcd.sim.clock import SimClock
from pcd.sim.company import found
from pcd.sim.life import Life
from pcd.sim.store import Store
from pcd.sync.request import Mode
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(300)]

NINE = (
    "appointment_created estimate_approved estimate_created estimate_rejected install_job_created"
    " invoice_created invoice_overdue job_completed job_created"
)
SETTINGS = Settings(surroundings=Surroundings(install_names=("Install",)))


def company() -> Store:
    """Return a company of forty customers whose clock stands at this moment."""
    now = datetime.now(UTC)
    store = Store(clock=SimClock(now, speed=0.0))
    found(store, seed=7, customers=40, years=2, now=now)
    return store


async def test_first_load_of_the_whole_company_makes_no_event(db: Database) -> None:
    """Ten years of invoices are not news; what is still to come of them is known."""
    async with (
        mirrored(db, company()) as mirror,
        detecting(db, settings=SETTINGS, watched=False) as detection,
    ):
        assert (await mirror.run(Mode.FULL)).is_complete
        await arm(db, RESOURCES.values())
        await detection.recorder.prepare()
        told = [event for event in await detection.events() if event["suppressed_reason"] is None]
        assert not told
        assert await db.fetchval("SELECT count(*) FROM pcd.baselines") == len(
            {resource.table for resource in RESOURCES.values()}
        )
        assert (await mirror.run(Mode.FULL)).is_complete
        assert len(await detection.events()) == len(told)


async def test_estimate_sold_upstream_is_an_event_after_one_fresh_pass(db: Database) -> None:
    """And only that: a second pass over the same change tells nothing."""
    store = company()
    async with mirrored(db, store) as mirror, detecting(db, settings=SETTINGS, watched=False) as detection:
        await mirror.run(Mode.FULL)
        await arm(db, RESOURCES.values())
        await detection.recorder.prepare()
        before = len(await detection.events())
        estimates = store["estimates"]
        st_id = next(key for key in estimates.ids() if estimates.get(key)["status"]["name"] == "Open")
        store.clock.advance(timedelta(seconds=5))
        estimates.change(st_id, status={"value": 1, "name": "Sold"})
        await mirror.run(Mode.FRESH)
        await mirror.run(Mode.FRESH)
        (event,) = (await detection.events())[before:]
    assert (event["type"], event["entity_id"]) == ("estimate_approved", st_id)
    assert event["payload"]["customer"]["name"]
    assert event["suppressed_reason"] is None


async def test_all_that_happens_to_a_living_company_is_told_once(db: Database) -> None:
    """Four hours of its life: all nine old situations, and what is told is what upstream's books say."""
    store = company()
    async with mirrored(db, store) as mirror, detecting(db, settings=SETTINGS, watched=False) as detection:
        await mirror.run(Mode.FULL)
        await arm(db, RESOURCES.values())
        await detection.recorder.prepare()
        before = books(store)
        life = Life(store, store.clock, seed=3)
        for _ in range(24):
            store.clock.advance(timedelta(seconds=10))
            life.tick(store.clock.now())
            await mirror.run(Mode.FRESH)
        events = await detection.events()
    assert set(NINE.split()) <= {event["type"] for event in events}
    assert {event["suppressed_reason"] for event in events} == {None}
    for type_, ids in books(store).items():
        told = [event["entity_id"] for event in events if event["type"] == type_]
        assert sorted(told) == sorted(ids - before[type_]), type_


def books(store: Store) -> dict[str, set[int]]:
    """Return for which records of *store* each of these events must have been told by now."""
    shelves = ("customers", "jobs", "appointments", "estimates", "invoices")
    created = {f"{name.removesuffix('s')}_created": set(store[name].ids()) for name in shelves}
    jobs = {key: store["jobs"].get(key)["jobStatus"] for key in store["jobs"].ids()}
    appointments = {key: store["appointments"].get(key)["status"] for key in store["appointments"].ids()}
    return created | {
        "job_completed": {key for key, status in jobs.items() if status == "Completed"},
        "job_canceled": {key for key, status in jobs.items() if status == "Canceled"},
        "appointment_canceled": {key for key, status in appointments.items() if status == "Canceled"},
        "install_job_created": {
            key for key in store["jobs"].ids() if "Install" in unit_name(store, store["jobs"].get(key))
        },
    }


def unit_name(store: Store, job: dict[str, Any]) -> str:
    """Return the name of the business unit that does *job*."""
    return str(store["business_units"].get(job["businessUnitId"])["name"])
